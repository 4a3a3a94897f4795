package redisstream

import (
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// contact is how long Redis has answered without a break.
type contact struct{ last, since time.Time }

// made notes an answer to what was sent at that moment; a silence of more than gap is a break.
func (c *contact) made(at time.Time, gap time.Duration) {
	now := time.Now()
	if c.last.IsZero() || now.Sub(c.last) > gap {
		c.since = now
	}
	c.last = at
}

// tick is how often there is something to do from time to time.
func (t *Transport) tick() time.Duration { return min(time.Second, t.minIdle/6) }

// keep does what has to be done from time to time, until Close.
func (p *part) keep() {
	ticker := time.NewTicker(p.t.tick())
	defer ticker.Stop()
	k := keeper{part: p, cursor: "0-0"}
	for {
		err := k.round()
		switch {
		case err == nil || noGroup(err):
			k.answered()
		case !p.t.failed(p.stream, err):
			return
		}
		select {
		case <-p.t.reads.Done():
			return
		case <-ticker.C:
		}
	}
}

// answered notes that Redis has answered a round, where nothing else can tell
// that it does: a read waits for room, or for a partition that others have.
func (p *part) answered() {
	p.t.mu.Lock()
	alone := p.waits && !p.flushing
	p.t.mu.Unlock()
	if alone {
		p.t.succeeded()
	}
}

// keeper is what keep remembers from round to round.
type keeper struct {
	*part
	refreshed, swept time.Time
	cursor           string // of takeOver
}

func (k *keeper) round() error {
	t, now := k.t, time.Now()
	t.mu.Lock()
	if !t.paused.IsZero() && now.Sub(t.paused) > t.tick() {
		k.giveBack() // others may have time for it
	}
	t.mu.Unlock()
	if k.lease != nil {
		if err := k.tend(); err != nil {
			return err
		}
	}
	if now.Sub(k.refreshed) >= t.minIdle/3-t.tick()/2 {
		if err := k.refresh(); err != nil {
			return err
		}
		k.refreshed = now
	}
	if err := k.retake(); err != nil {
		return err
	}
	k.contact.made(now, t.minIdle/3)
	// After a break the others need time to touch what is theirs.
	if now.Sub(k.contact.since) >= t.minIdle/2 {
		var err error
		if k.cursor, err = k.takeOver(k.cursor); err != nil {
			return err
		}
	}
	if now.Sub(k.swept) < t.minIdle {
		return nil
	}
	k.swept = now
	return k.sweep()
}

// refresh touches what is ours, so that nobody takes it over.
func (p *part) refresh() error {
	t := p.t
	t.mu.Lock()
	args := make([]any, 2, 2+len(p.held))
	args[0], args[1] = t.group, t.name
	for id := range p.held {
		args = append(args, id)
	}
	t.mu.Unlock()
	if len(args) == 2 {
		return nil
	}
	at := time.Now()
	lost, err := refreshScript.Run(t.life, t.client, []string{p.stream}, args...).StringSlice()
	if err != nil {
		return err
	}
	gone := make(map[string]bool, len(lost))
	for _, id := range lost {
		gone[id] = true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, arg := range args[2:] {
		id, _ := arg.(string)
		e := p.held[id]
		switch {
		case e == nil:
		case !gone[id]:
			e.alive = at
		case e.state == waiting:
			p.disown(e)
		case e.state == given:
			p.forget(e)
		}
	}
	return nil
}

// retake takes what was given back and whose pause is over. It asks Redis also
// when there is no room, see answered.
func (p *part) retake() error {
	from := []string{nobody}
	if p.lease != nil {
		from = append(from, pausing)
	}
	for _, name := range from {
		for {
			room := p.roomToClaim()
			_, n, err := p.claim(retakeScript, p.taken(), p.t.minIdle.Milliseconds(), name, room, 1)
			if err != nil {
				return err
			}
			if room == 0 || n < room {
				break
			}
		}
	}
	return nil
}

// takeOver takes what a worker has left that is dead or cut off. It goes on
// at cursor, and returns where to go on the next time.
func (p *part) takeOver(cursor string) (string, error) {
	for range 1 + p.t.window/maxRead {
		n := p.roomToClaim()
		if n == 0 {
			break
		}
		var err error
		cursor, _, err = p.claim(takeOverScript, p.taken(), p.t.minIdle.Milliseconds(), cursor, n)
		if err != nil || cursor == "0-0" {
			return cursor, err
		}
	}
	return cursor, nil
}

// roomToClaim is room, for single entries out of the order of all.
func (p *part) roomToClaim() int {
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	if p.lease != nil && p.lease.fresh() {
		return 0
	}
	return p.room(toClaim)
}

// claim runs a script that claims entries, and takes in the n that it brings,
// see takeIn.
func (p *part) claim(script *redis.Script, left int, args ...any) (cursor string, n int, err error) {
	t := p.t
	p.claims.Lock()
	defer p.claims.Unlock()
	at := time.Now()
	reply, err := script.Run(t.life, t.client, []string{p.stream}, append([]any{t.group, t.name}, args...)...).Slice()
	if err != nil {
		return "0-0", 0, err
	}
	if len(reply) != 2 {
		return "0-0", 0, fmt.Errorf("unexpected reply of %d parts to a claim", len(reply))
	}
	cursor, _ = reply[0].(string)
	list, _ := reply[1].([]any)
	entries := make([]*entry, 0, len(list))
	for _, one := range list {
		parts, _ := one.([]any)
		if len(parts) != 3 {
			continue
		}
		id, _ := parts[0].(string)
		count, _ := parts[1].(int64)
		pairs, _ := parts[2].([]any)
		fields := make(map[string]any, len(pairs)/2)
		for i := 0; i+1 < len(pairs); i += 2 {
			if name, ok := pairs[i].(string); ok {
				fields[name] = pairs[i+1]
			}
		}
		entries = append(entries, p.newEntry(id, fields, int(count), at))
	}
	p.takeIn(entries, left)
	return cursor, len(entries), nil
}

// sweep deletes the names of workers that are no more.
func (p *part) sweep() error {
	t := p.t
	all, err := t.client.XInfoConsumers(t.life, p.stream, t.group).Result()
	if err != nil {
		return err
	}
	args := []any{t.group}
	for _, c := range all {
		if c.Pending == 0 && c.Idle >= t.minIdle && c.Name != t.name {
			args = append(args, c.Name)
		}
	}
	if len(args) == 1 {
		return nil
	}
	return forgetScript.Run(t.life, t.client, []string{p.stream}, args...).Err()
}

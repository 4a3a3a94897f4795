package redisstream

import (
	"slices"
	"strconv"
	"time"
)

// settle has Redis told. t.mu is held.
func (p *part) settle(e *entry, as state) {
	e.state = as
	if as == released {
		pause := p.t.delay(e.Event.Attempt)
		if e.pause != nil {
			pause = min(*e.pause, p.t.minIdle)
		}
		e.idle = p.t.minIdle - pause
	}
	p.tell(e)
}

func (p *part) tell(e *entry) {
	p.settled = append(p.settled, e)
	p.t.settling++
	if !p.flushing {
		p.flushing = true
		go p.flush()
	}
}

// delay is the pause after an attempt.
func (t *Transport) delay(attempt int) time.Duration {
	d := t.nackDelay
	for ; attempt > 1 && d < t.minIdle; attempt-- {
		d *= 2
	}
	return min(d, t.minIdle)
}

// maxSettled bounds what is told with one command.
const maxSettled = 256

// flush tells Redis what was settled, until nothing is left to tell or the
// Transport's life ends.
func (p *part) flush() {
	t := p.t
	tries := pauses{first: 20 * time.Millisecond, longest: min(2*time.Second, t.minIdle/8)}
	for {
		t.mu.Lock()
		n := min(len(p.settled), maxSettled)
		if n == 0 || t.life.Err() != nil {
			p.flushing = false
			t.change()
			t.mu.Unlock()
			return
		}
		batch := slices.Clone(p.settled[:n])
		t.mu.Unlock()

		if err := p.tellAll(batch); err != nil {
			t.failed(p.stream, err)
			tries.wait(t.life)
			continue
		}
		tries.reset()
	}
}

// tellAll tells Redis of the first that were settled.
func (p *part) tellAll(batch []*entry) error {
	t := p.t
	var ids []string
	gives := [][]any{{t.group, t.name, nobody}, {t.group, t.name, pausing}}
	for _, e := range batch {
		if e.state == acked {
			ids = append(ids, e.id)
			continue
		}
		to := &gives[0]
		if e.failed && p.lease != nil {
			to = &gives[1]
		}
		*to = append(*to, e.id, e.idle.Milliseconds(), strconv.Itoa(e.count))
	}
	p.claims.Lock()
	defer p.claims.Unlock()
	if len(ids) > 0 {
		if err := t.client.XAck(t.life, p.stream, t.group, ids...).Err(); err != nil {
			return err
		}
	}
	for _, give := range gives {
		if len(give) == 3 {
			continue
		}
		err := releaseScript.Run(t.life, t.client, []string{p.stream}, give...).Err()
		if err != nil && !noGroup(err) {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p.settled = slices.Delete(p.settled, 0, len(batch))
	t.settling -= len(batch)
	for _, e := range batch {
		e.state = gone
		p.forget(e)
	}
	t.change()
	return nil
}

// giveBack returns what nobody has received to the group. t.mu is held.
func (p *part) giveBack() {
	p.t.ready = slices.DeleteFunc(p.t.ready, func(e *entry) bool {
		if e.part != p {
			return false
		}
		e.state, e.idle, e.count = released, p.t.minIdle, max(e.Event.Attempt-1, 0)
		if p.lease != nil {
			p.lease.left++
		}
		p.tell(e)
		return true
	})
}

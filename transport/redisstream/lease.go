package redisstream

import (
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// lease is the right to read a partition, which one worker has at a time, so
// that the order of its keys is kept. It lasts for MinIdle from its last
// renewal on, by the server's clock.
type lease struct {
	key string

	// Guarded by Transport.mu.
	held    bool
	leaving bool      // to be given to another worker as soon as nothing is in work
	until   time.Time // by our clock, and rather too early
	renewed time.Time
	// What is pending is to be taken up, in its order, before anything else is
	// read, when left differs from taken: another worker may have left it,
	// or we have given it back.
	left, taken int
	// How far that has come, of what was left: see takeAll.
	scanned int
	cursor  string
}

func (l *lease) fresh() bool { return l.left != l.taken }

// valid tells whether what is read now is read under the lease. A read takes
// an eighth of MinIdle, so it ends before the lease can.
func (l *lease) valid(minIdle time.Duration) bool {
	return l.held && !l.leaving && time.Now().Before(l.until.Add(-minIdle/4))
}

// Leases are keys beside the stream with the holder's name for a value.
var (
	takeScript = newPressing(`
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`)
	renewScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`)
	returnScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`)
	// rollCallScript notes a worker in a sorted set, drops those not heard of
	// for so many ms, and returns the names of the rest.
	rollCallScript = newPressing(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZRANGE', KEYS[1], 0, -1)`)
)

func (t *Transport) rollKey() string { return besides(t.stream, t.group, "workers") }

// rollCall finds out how many of the partitions are ours.
func (t *Transport) rollCall() error {
	names, err := rollCallScript.run(t.life, t.client, t.rollKey(), t.name, t.minIdle.Milliseconds()).StringSlice()
	if err != nil {
		return err
	}
	slices.Sort(names)
	share := len(t.parts) / len(names)
	if slices.Index(names, t.name) < len(t.parts)%len(names) {
		share++
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.share != share {
		t.share = share
		t.change()
	}
	return nil
}

// leases counts the partitions that we read and go on to. t.mu is held.
func (t *Transport) leases() (n int) {
	for _, p := range t.parts {
		if p.lease.held && !p.lease.leaving {
			n++
		}
	}
	return n
}

// tend takes, renews or returns the lease of a partition.
func (p *part) tend() error {
	t, l := p.t, p.lease
	if p == t.parts[0] {
		if err := t.rollCall(); err != nil {
			return err
		}
	}
	now := time.Now()
	t.mu.Lock()
	if l.held && now.After(l.until) {
		p.lose()
	}
	if l.held && !l.leaving && t.leases() > t.share {
		l.leaving = true
	}
	take := !l.held && t.leases() < t.share && t.paused.IsZero()
	renew := l.held && now.Sub(l.renewed) >= t.minIdle/3-t.tick()/2
	leave := false
	if l.leaving {
		p.giveBack()
		leave = len(p.held) == 0 && !p.reading
	}
	t.mu.Unlock()
	switch {
	case leave:
		return p.returnLease()
	case renew:
		return p.renewLease(now)
	case take:
		return p.takeLease(now)
	}
	return nil
}

func (p *part) takeLease(now time.Time) error {
	t, l := p.t, p.lease
	// Its own it takes as well: the client repeats a command whose reply was
	// lost.
	ok, err := takeScript.run(t.life, t.client, l.key, t.name, t.minIdle.Milliseconds()).Int64()
	if err != nil || ok == 0 {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	l.held, l.leaving = true, false
	l.left++
	l.until, l.renewed = now.Add(t.minIdle), now
	t.change()
	return nil
}

func (p *part) renewLease(now time.Time) error {
	t, l := p.t, p.lease
	ok, err := renewScript.Run(t.life, t.client, []string{l.key}, t.name, t.minIdle.Milliseconds()).Int64()
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if ok == 0 {
		p.lose()
		return nil
	}
	l.until, l.renewed = now.Add(t.minIdle), now
	t.change()
	return nil
}

// lose is the end of a lease that we have not returned. t.mu is held.
func (p *part) lose() {
	p.lease.held, p.lease.leaving = false, false
	p.disownAll()
}

// disown drops an entry that waits, since it may be another's by now. Of a
// partition all that waits goes with it: what comes behind it must not be
// handed out before it. t.mu is held.
func (p *part) disown(e *entry) {
	if p.lease != nil {
		p.disownAll()
		return
	}
	p.forget(e)
}

// disownAll has all that waits taken up anew, in its order. t.mu is held.
func (p *part) disownAll() {
	for _, e := range p.held {
		if e.state == waiting {
			p.forget(e)
		}
	}
	p.lease.left++
}

func (p *part) returnLease() error {
	t, l := p.t, p.lease
	t.mu.Lock()
	l.held, l.leaving = false, false
	t.mu.Unlock()
	return returnScript.Run(t.life, t.client, []string{l.key}, t.name).Err()
}

// takeAll takes up what is pending, in its order, as far as there is room for:
// whoever had it has lost the lease. It goes on from call to call until all is
// taken up but what pauses.
func (p *part) takeAll(n int) error {
	t, l := p.t, p.lease
	t.mu.Lock()
	left := l.left
	if l.scanned != left {
		l.scanned, l.cursor = left, "-"
	}
	cursor := l.cursor
	t.mu.Unlock()
	next, _, err := p.claim(takeAllScript, left, pausing, cursor, maxSettled, n)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.cursor = next; next == "0-0" {
		l.taken = left
	}
	return nil
}

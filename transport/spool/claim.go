package spool

import "time"

// claimAhead is how many events are claimed at once: their new attempt is on
// disk before they are handed out, and that costs an fsync, which they share.
const claimAhead = 32

// claim takes what comes next, and has that recorded.
func (t *Transport) claim() {
	now := time.Now()
	c := &claim{by: t}
	for len(c.entries) < claimAhead {
		e := t.s.index.take(now)
		if e == nil {
			break
		}
		e.attempts++
		t.s.next.states[e.seq] = state{attempts: e.attempts, deaths: e.deaths, out: true}
		c.entries = append(c.entries, e)
	}
	if len(c.entries) > 0 {
		t.claiming = true
		t.s.next.claims = append(t.s.next.claims, c)
		t.s.hurry()
	}
}

// have takes what was claimed. A disk that does not take the attempts is no
// reason to stop the work, which alone makes room there: they are counted in
// memory then, and recorded as soon as it does. It is called with mu held.
func (t *Transport) have(entries []*entry) {
	t.claiming = false
	t.claimed = append(t.claimed, entries...)
	if t.closed {
		t.unclaim()
	}
}

// unclaim puts back what was not handed out.
func (t *Transport) unclaim() {
	for _, e := range t.claimed {
		e.attempts--
		t.putBack(e)
	}
	t.claimed = nil
}

func (t *Transport) putBack(e *entry) {
	t.s.next.states[e.seq] = state{attempts: e.attempts, deaths: e.deaths}
	t.s.index.leave(e)
	t.s.index.putReady(e)
}

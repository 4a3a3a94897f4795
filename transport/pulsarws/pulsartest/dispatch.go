package pulsartest

import (
	"slices"
	"time"
)

// dispatch gives messages to members as far as they have permits.
func (sub *subscription) dispatch() {
	if len(sub.members) == 0 {
		return
	}
	if sub.kind == KeyShared {
		sub.dispatchKeys()
		return
	}
	for {
		to := sub.choose()
		if to == nil {
			return
		}
		m := sub.read()
		if m == nil {
			return
		}
		sub.turn = slices.Index(sub.members, to) + 1
		sub.give(m, to, nil)
	}
}

// choose returns the member that gets the next message: of Shared those with
// the best priority that have permits take turns, of the others the active one
// gets all. Nil when there is none.
func (sub *subscription) choose() *member {
	if sub.kind != Shared {
		return sub.single()
	}
	n := len(sub.members)
	var best *member
	for i := range n {
		m := sub.members[(sub.turn+i)%n]
		if m.permits > 0 && (best == nil || m.c.params.priority < best.c.params.priority) {
			best = m
		}
	}
	return best
}

// single returns the active member when it has permits. It stays active until
// it leaves; then the oldest of those with the best priority follows.
func (sub *subscription) single() *member {
	if sub.active == nil {
		if delay := sub.t.s.conf.failover; sub.kind == Failover && delay > 0 {
			sub.pause(delay)
		}
		for _, m := range sub.members {
			if sub.active == nil || m.c.params.priority < sub.active.c.params.priority {
				sub.active = m
			}
		}
	}
	if sub.active.permits <= 0 || sub.settle != nil {
		return nil
	}
	return sub.active
}

// pause keeps all from a new active member for a while, so that what the one
// before still has on its way is not mixed with it.
func (sub *subscription) pause(d time.Duration) {
	if sub.settle != nil {
		sub.settle.Stop()
	}
	var this *time.Timer
	this = time.AfterFunc(d, func() {
		s := sub.t.s
		s.mu.Lock()
		defer s.mu.Unlock()
		if sub.settle == this && !s.host.Closed() {
			sub.settle = nil
			sub.dispatch()
		}
	})
	sub.settle = this
}

// read takes the next message that is due: what came back first, then what is
// new. Nil when there is none.
func (sub *subscription) read() *message {
	for len(sub.back.entries) > 0 {
		entry := sub.back.take()
		if m := sub.t.at(entry); m != nil && !sub.isAcked(entry) && sub.held[entry] == nil {
			return m
		}
	}
	for sub.next < sub.t.end() {
		m := sub.t.at(sub.next)
		sub.next++
		if m == nil || sub.isAcked(m.entry) || sub.postpone(m) {
			continue
		}
		return m
	}
	return nil
}

// give hands m to a member.
func (sub *subscription) give(m *message, to *member, l *lane) {
	n := m.size()
	_, again := sub.given[m.entry]
	h := &hold{m: m, by: to, lane: l, queued: n, again: again, left: n, count: sub.counts[m.entry]}
	if sub.t.persistent {
		sub.held[m.entry] = h
	}
	if l != nil {
		l.out++
		l.owner = to
	}
	to.permits -= n // a batch goes as a whole
	to.c.take(h)
}

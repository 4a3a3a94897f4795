package pulsartest

import (
	"slices"
	"time"
)

// Type is a subscription type.
type Type string

// The subscription types, as the query parameter subscriptionType has them.
const (
	Exclusive Type = "Exclusive"
	Shared    Type = "Shared"
	Failover  Type = "Failover"
	KeyShared Type = "Key_Shared"
)

// subscription is one of a topic or of one partition. A reader has one of its
// own, which is not durable. All is guarded by Server.mu.
type subscription struct {
	t       *topic
	name    string
	kind    Type // of those who are connected
	durable bool
	members []*member   // by age
	active  *member     // of Exclusive and Failover
	settle  *time.Timer // until a new active member of Failover gets something; nil after
	turn    int         // of the round robin

	next   int64              // the entry that is read next
	back   byEntry            // entries that are due again, before next
	held   map[int64]*hold    // that a member has and did not acknowledge
	done   int64              // all entries before it are acknowledged
	acked  map[int64]struct{} // of those after it
	counts map[int64]int      // redeliveries
	given  map[int64]struct{} // entries that were delivered before

	keys    map[string]*lane // of Key_Shared
	ready   []*lane
	waiting int // messages in lanes

	delayed byDelivery
	alarm   *time.Timer // of delayed
}

// member is a session's consumer of one subscription.
type member struct {
	sub     *subscription
	c       *session
	age     int
	permits int // messages that it may still receive
	starved []*lane
}

// hold is a message, or a batch of them, in the hands of a member.
type hold struct {
	m        *message
	by       *member
	count    int   // redeliveries before this
	lane     *lane // of Key_Shared
	queued   int   // how many of its messages wait in the proxy
	again    bool  // it was delivered before
	left     int   // how many of its messages are not acknowledged
	gone     bool  // the proxy was told to forget it
	answered bool  // the client acknowledged it, negatively or not
}

func (sub *subscription) shares() bool { return sub.kind == Shared || sub.kind == KeyShared }

func (sub *subscription) isAcked(entry int64) bool {
	_, ok := sub.acked[entry]
	return ok || entry < sub.done
}

func (sub *subscription) backlog() int { return int(sub.t.end()-sub.done) - len(sub.acked) }

// join adds a member, of which the type fits. The caller holds mu, dispatches
// then.
func (sub *subscription) join(c *session, kind Type, permits int) *member {
	sub.kind = kind
	m := &member{sub: sub, c: c, age: c.n, permits: permits}
	sub.members = append(sub.members, m)
	if kind == KeyShared && sub.keys == nil {
		sub.keys = map[string]*lane{}
	}
	for _, other := range sub.members {
		sub.unstarve(other) // some of their keys may be the new one's now
	}
	return m
}

// leave takes a member out; what it holds goes back at once. When it was the
// last, the counts of redeliveries fall back to 0, and a subscription that is
// not durable ends.
func (sub *subscription) leave(m *member) {
	sub.members = slices.DeleteFunc(sub.members, func(other *member) bool { return other == m })
	if sub.active == m {
		sub.active = nil
	}
	if n := sub.takeBack(m); n > 0 {
		sub.t.s.record(Record{Op: OpReturn, Conn: m.c.n, Topic: sub.t.name, Subscription: sub.name, Count: n, Detail: "the consumer left"})
	}
	sub.unstarve(m)
	if len(sub.members) == 0 {
		clear(sub.counts)
		sub.unlane()
		if !sub.durable {
			sub.stop()
			delete(sub.t.subs, sub.name)
			return
		}
	}
	sub.dispatch()
}

// takeBack returns all that a member holds, and how much that was.
func (sub *subscription) takeBack(m *member) (n int) {
	for entry, h := range sub.held {
		if h.by != m {
			continue
		}
		sub.release(entry, h)
		h.gone = true
		sub.back.add(entry)
		m.permits += h.queued
		n++
	}
	return n
}

// release takes entry from its holder.
func (sub *subscription) release(entry int64, h *hold) {
	delete(sub.held, entry)
	if h.lane != nil {
		h.lane.out--
		sub.wake(h.lane)
	}
}

// giveBack returns one message to be delivered again, to whomever.
func (sub *subscription) giveBack(h *hold) {
	entry := h.m.entry
	sub.release(entry, h)
	sub.counts[entry]++
	sub.back.add(entry)
}

// ack tells whether the acknowledgement of an entry had an effect. The caller
// dispatches when the subscription is Key_Shared.
func (sub *subscription) ack(entry int64) bool {
	if h := sub.held[entry]; h != nil {
		sub.release(entry, h)
	}
	if sub.isAcked(entry) || entry >= sub.t.end() {
		return false
	}
	delete(sub.counts, entry)
	delete(sub.given, entry)
	sub.acked[entry] = struct{}{}
	before := sub.done
	for {
		if _, ok := sub.acked[sub.done]; !ok {
			break
		}
		delete(sub.acked, sub.done)
		sub.done++
	}
	if sub.done > before {
		sub.t.retain()
	}
	return true
}

// skipTo forgets all before an entry, as if it were acknowledged.
func (sub *subscription) skipTo(entry int64) {
	sub.next = max(sub.next, entry)
	if entry <= sub.done {
		return
	}
	for e := range sub.acked {
		if e < entry {
			delete(sub.acked, e)
		}
	}
	sub.done = entry
}

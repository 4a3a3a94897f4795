package edstest

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// Queue is a look at, and a hand on, one queue of a Server.
type Queue struct {
	s *Server
	q *queue
}

// Queue returns the queue of that name; without names, the first of the
// server. A name that the server does not have gives a queue that stays empty.
func (s *Server) Queue(name ...string) *Queue {
	if len(name) == 0 {
		name = s.names
	}
	q, err := s.find(name[0])
	if err != nil {
		q = &queue{s: s, name: name[0]}
	}
	return &Queue{s, q}
}

// Counts are the figures of a queue.
type Counts struct {
	// Connected tells whether there is a live connection.
	Connected bool
	// Waiting events are to be delivered, for the first time or again.
	Waiting int
	// InFlight events were delivered and can still be acknowledged.
	InFlight int
	// Acked events were acknowledged.
	Acked int
	// Deliveries counts all, Redeliveries those that were not the first of
	// their event.
	Deliveries, Redeliveries int
}

// Counts returns the figures as they are now.
func (q *Queue) Counts() Counts {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	return Counts{
		Connected: q.q.live() != nil,
		Waiting:   q.q.waiting, InFlight: q.q.inFlight, Acked: q.q.acked,
		Deliveries: q.q.deliveries, Redeliveries: q.q.redeliveries,
	}
}

// Unacked returns the ids of all events that were published and are not
// acknowledged, delivered or not, in the order in which they were published.
func (q *Queue) Unacked() []string {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	var open []*message
	for _, list := range []*wsserver.FIFO[*message]{&q.q.back, &q.q.fresh} {
		for _, m := range list.All() {
			if m.state == waiting {
				open = append(open, m)
			}
		}
	}
	for _, f := range q.q.flight.All() {
		if !f.over() {
			open = append(open, f.m)
		}
	}
	slices.SortFunc(open, func(a, b *message) int { return cmp.Compare(a.seq, b.seq) })
	ids := make([]string, len(open))
	for i, m := range open {
		ids[i] = m.id
	}
	return ids
}

// Break disturbs the live connection now; false when there is none.
func (q *Queue) Break(how Breakage) bool {
	return q.onLive(func(c *connection) { c.disturb(how) })
}

// Thaw ends a Freeze of the live connection; false when there is none.
func (q *Queue) Thaw() bool {
	return q.onLive(func(c *connection) { c.Thaw() })
}

// Send sends a text message of any content to the live connection, ahead of
// the events that wait; false when there is none. It belongs to no event.
func (q *Queue) Send(message []byte) bool { return q.send(wsserver.Text, message) }

// SendBinary is as Send, for a binary message.
func (q *Queue) SendBinary(message []byte) bool { return q.send(wsserver.Binary, message) }

func (q *Queue) send(op byte, message []byte) bool {
	return q.onLive(func(c *connection) {
		c.out = append(c.out, outgoing{op: op, data: bytes.Clone(message), planned: true, copies: 1, fragments: 1, cut: -1})
		c.Poke()
	})
}

func (q *Queue) onLive(f func(*connection)) bool {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	c := q.q.live()
	if c != nil {
		f(c)
	}
	return c != nil
}

// Hold keeps events in the queue, as if the service had none, until Resume.
func (q *Queue) Hold() { q.hold(true) }

// Resume ends a Hold: what has gathered is delivered in bulk.
func (q *Queue) Resume() { q.hold(false) }

func (q *Queue) hold(held bool) {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	q.q.held = held
	q.q.wake()
}

// Expire lets the visibility time-out of events that are in flight run out
// now; without ids, of all of them. It returns how many there were.
func (q *Queue) Expire(ids ...string) (n int) {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	for _, f := range q.q.flight.All() {
		if !f.over() && (len(ids) == 0 || slices.Contains(ids, f.m.id)) {
			q.q.giveBack(f.m)
			n++
		}
	}
	q.q.wake()
	return n
}

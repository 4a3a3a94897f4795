package edstest

import (
	"cmp"
	"slices"
	"time"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// queue holds the events of one name. Server.mu guards it.
//
// A message is in exactly one place: fresh or back while it waits, flight
// while it is with the client. A message that is acknowledged stays in its
// list until its turn comes, and is passed over then.
type queue struct {
	s    *Server
	name string

	conn  *connection // that holds the queue, perhaps not yet open; nil for none
	taken time.Time   // until when the queue is held although nobody is connected
	held  bool        // by Hold

	fresh  wsserver.FIFO[*message] // never delivered, or sent to the end
	back   wsserver.FIFO[*message] // to be delivered again, before the fresh ones
	flight wsserver.FIFO[flight]   // by the time at which they come back

	waiting, inFlight        int
	acked                    int
	deliveries, redeliveries int

	receipts map[string]*message
	finished wsserver.Recent[*message]
}

// flight is one delivery of a message; it is over when the message was
// acknowledged, came back, or was delivered once more.
type flight struct {
	m       *message
	attempt int
}

func (f flight) over() bool { return f.m.state != inFlight || f.m.delivered != f.attempt }

// live returns the open connection of the queue, or nil.
func (q *queue) live() *connection {
	if q.conn == nil || !q.conn.Open() {
		return nil
	}
	return q.conn
}

func (q *queue) wake() {
	if q.conn != nil {
		q.conn.Poke()
	}
}

func (q *queue) add(m *message) {
	q.s.order++
	m.seq = q.s.order
	e := q.s.events[m.id]
	if e == nil {
		e = &published{}
		q.s.events[m.id] = e
	}
	e.messages++
	e.open++
	q.waiting++
	q.fresh.Push(m)
	q.s.record(Record{Op: OpPublish, Queue: q.name, EventID: m.id})
}

// next returns the message whose turn it is, nil when there is none or the
// client has as much as it may.
func (q *queue) next() *message {
	if q.held || q.s.conf.window > 0 && q.inFlight >= q.s.conf.window {
		return nil
	}
	for _, list := range []*wsserver.FIFO[*message]{&q.back, &q.fresh} {
		for {
			m, ok := list.Pop()
			if !ok {
				break
			}
			if m.state == waiting {
				return m
			}
		}
	}
	return nil
}

// deliver gives m to c and returns the new receipt.
func (q *queue) deliver(m *message, c *connection, now time.Time) string {
	q.waiting--
	m.delivered++
	q.deliveries++
	q.s.events[m.id].delivered++
	r := Record{Op: OpDeliver, Queue: q.name, EventID: m.id, Conn: c.n, Attempt: m.delivered}
	if m.once {
		q.finish(m)
		q.s.record(r)
		return ""
	}
	r.Receipt = q.s.uuid()
	m.receipts = append(m.receipts, r.Receipt)
	m.conn, m.state = c, inFlight
	q.receipts[r.Receipt] = m
	q.inFlight++
	if m.delivered > 1 {
		r.Op = OpRedeliver
		q.redeliveries++
	}
	if q.s.conf.visibility > 0 {
		m.due = now.Add(q.s.conf.visibility)
	}
	q.flight.Push(flight{m, m.delivered})
	q.s.record(r)
	return r.Receipt
}

// expire takes back what was not acknowledged in time.
func (q *queue) expire(now time.Time) {
	for {
		due, ok := q.due()
		if !ok || now.Before(due) {
			return
		}
		f, _ := q.flight.Pop()
		q.giveBack(f.m)
	}
}

// due is when the next message comes back; false for never.
func (q *queue) due() (time.Time, bool) {
	for {
		f, ok := q.flight.Peek()
		if ok && f.over() {
			q.flight.Pop()
			continue
		}
		return f.when(), ok && !f.m.due.IsZero()
	}
}

func (f flight) when() time.Time {
	if f.m == nil {
		return time.Time{}
	}
	return f.m.due
}

func (q *queue) giveBack(m *message) {
	m.state = waiting
	q.inFlight--
	q.waiting++
	if q.s.conf.redeliverLast {
		q.fresh.Push(m)
		return
	}
	q.back.Push(m)
}

// giveAllBack takes back all that is with the client, in the order in which
// it was published.
func (q *queue) giveAllBack() {
	for {
		f, ok := q.flight.Pop()
		if !ok {
			break
		}
		if !f.over() {
			q.giveBack(f.m)
		}
	}
	slices.SortStableFunc(q.back.All(), func(a, b *message) int { return cmp.Compare(a.seq, b.seq) })
}

// ack settles the message of a receipt and tells what became of it.
func (q *queue) ack(c *connection, receipt []byte) (Op, *message) {
	m := q.receipts[string(receipt)]
	switch {
	case m == nil:
		return OpAckUnknown, nil
	case m.state == done:
		return OpAckDuplicate, m
	case !q.s.conf.lenient && (m.newest() != string(receipt) || m.conn != c):
		return OpAckStale, m
	case m.state == waiting: // its time is over, but nobody else has it yet
		q.waiting--
	default:
		q.inFlight--
	}
	q.acked++
	q.finish(m)
	return OpAck, m
}

// finish marks m as done and remembers it.
func (q *queue) finish(m *message) {
	m.state = done
	m.head, m.tail, m.conn = nil, nil, nil
	q.s.events[m.id].open--
	q.finished.Add(m)
}

// forget has m as never published.
func (q *queue) forget(m *message) {
	for _, receipt := range m.receipts {
		delete(q.receipts, receipt)
	}
	e := q.s.events[m.id]
	if e.messages--; e.messages == 0 {
		delete(q.s.events, m.id)
	}
}

package pulsartest

import (
	"time"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// window is what the service's handler counts, see ConsumerHandler and
// ReaderHandler: deliveries, not messages. It may fall below zero.
type window struct {
	pull    bool
	max     int // of push mode; 0 in pull mode
	pending int // deliveries that are not answered; in pull mode permits, downwards
	asks    int // how often the inner consumer is being asked for a message
	queue   wsserver.FIFO[piece]
}

// credit is what an answer to a delivery gives back.
func (c *session) credit() {
	if c.pull {
		return
	}
	before := c.pending
	c.pending--
	if before >= c.max {
		c.ask(1)
	}
}

// permit lets n more messages through, in pull mode.
func (c *session) permit(n int) {
	before := c.pending
	c.pending -= n
	if before >= 0 {
		c.ask(1)
	}
}

// ask asks the inner consumer for a message, n times.
func (c *session) ask(n int) {
	c.asks += n
	c.refill()
	c.Poke()
}

// refill lets the inner consumer fetch what it has room for. One without a
// queue fetches what it was asked for.
func (c *session) refill() {
	for _, m := range c.members {
		// A reader without a queue never gets anything: so it is in Pulsar 4.0.8.
		if c.params.queue == 0 && c.target.end == consumerEnd {
			m.permits = max(c.asks-c.queue.Len(), 0)
		}
		if m.sub.kind == KeyShared {
			m.sub.feed(m)
		}
		m.sub.dispatch()
	}
}

// take puts a message, or those of a batch, into the inner consumer's queue.
func (c *session) take(h *hold) {
	if h.m.parts == nil {
		c.queue.Push(piece{h, h.m})
	}
	for _, part := range h.m.parts {
		if c.after.hides(part.ref) {
			h.queued--
			h.left--
			h.by.permits++
			continue
		}
		c.queue.Push(piece{h, part})
	}
	if c.asks > 0 {
		c.Poke()
	}
}

// deliver appends messages to buf as far as the window allows. The caller
// holds mu.
func (c *session) deliver(buf []byte, now time.Time) ([]byte, *wsserver.Breakage) {
	taken := 0
	defer func() {
		if taken > 0 {
			c.refill()
		}
	}()
	for c.asks > 0 && len(buf) < wsserver.BatchBytes {
		next, ok := c.queue.Pop()
		if !ok {
			before := c.queue.Len()
			c.refill()
			if c.queue.Len() == before {
				break
			}
			continue
		}
		taken++
		h, m := next.h, next.m
		if h.gone {
			continue
		}
		h.queued--
		h.by.permits++
		sub := h.by.sub
		if m.NullPayload {
			c.asks-- // and nobody asks again
			c.s.record(c.note(Record{Op: OpStuck, Topic: m.t.name, MessageID: m.id}))
			continue
		}
		op := OpDeliver
		if h.again {
			op = OpRedeliver
		}
		if c.target.end == readerEnd {
			c.read = true
			if h.queued == 0 {
				sub.ack(m.entry) // the inner reader has, as soon as it was asked
			}
		} else if m.t.persistent {
			sub.given[m.entry] = struct{}{}
			c.delivered[m.id] = delivery{next, now}
			c.overdue.add(c, due{at: now.Add(c.params.ackTimeout), sub: sub, entry: m.entry, h: h}, c.params.ackTimeout)
		} else {
			c.delivered[m.id] = delivery{next, now}
		}
		c.pending++
		if c.pending >= c.max {
			c.asks--
		}
		c.s.record(Record{
			Op: op, Conn: c.n, Topic: m.t.name, Subscription: c.target.subscription, MessageID: m.id, Count: h.count,
		})
		var first *wsserver.Breakage
		if buf, first = c.emit(buf, next); first != nil {
			return buf, first
		}
	}
	return buf, nil
}

package edstest

import (
	"slices"
	"time"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// Collect appends frames that are due to buf: replies and pongs, then delayed
// frames whose time has come, then events.
func (c *connection) Collect(buf []byte) ([]byte, *wsserver.Breakage, time.Time) {
	now := time.Now()
	if c.wrote && !c.Muted() {
		c.active = now
	}
	buf, first := c.collect(buf, now)
	c.wrote = len(buf) > 0
	return buf, first, c.next()
}

func (c *connection) collect(buf []byte, now time.Time) ([]byte, *wsserver.Breakage) {
	for len(c.later) > 0 && !now.Before(c.later[0].at) {
		d := c.later[0]
		c.later = c.later[1:]
		if d.in != nil {
			c.arrive(d.in)
			continue
		}
		c.out = append(c.out, *d.out)
	}
	c.q.expire(now)
	for len(buf) < wsserver.BatchBytes {
		var first *wsserver.Breakage
		if len(c.out) > 0 {
			o := c.out[0]
			c.out = c.out[1:]
			buf, first = c.emit(buf, o, now)
		} else if m := c.q.next(); m != nil {
			buf, first = c.emitEvent(buf, m, now)
		} else {
			break
		}
		if first != nil {
			return buf, first
		}
	}
	return buf, nil
}

// next tells when, without a wake, there is something to do; zero for never.
func (c *connection) next() time.Time {
	at, ok := c.q.due()
	if !ok {
		at = time.Time{}
	}
	if len(c.later) > 0 && (!ok || c.later[0].at.Before(at)) {
		at = c.later[0].at
	}
	return at
}

// emitEvent delivers m. Without faults its frame is rendered in place.
func (c *connection) emitEvent(buf []byte, m *message, now time.Time) ([]byte, *wsserver.Breakage) {
	head, tail, id, kind := m.head, m.tail, m.id, m.kind
	receipt := c.q.deliver(m, c, now)
	if len(c.s.onSend[Events]) == 0 {
		var stack [36]byte // a receipt is a UUID: no memory of its own
		return wsserver.AppendFrame(buf, wsserver.Text, true, head, append(stack[:0], receipt...), tail), nil
	}
	return c.emit(buf, outgoing{
		kind: Events, op: wsserver.Text, data: slices.Concat(head, []byte(receipt), tail),
		moment: Moment{
			Queue: c.q.name, Conn: c.n, EventID: id, EventType: kind,
			Receipt: receipt, Attempt: m.delivered,
		},
	}, now)
}

// emit appends o as its faults would have it.
func (c *connection) emit(buf []byte, o outgoing, now time.Time) ([]byte, *wsserver.Breakage) {
	if !o.planned {
		o.planned, o.copies, o.fragments, o.cut = true, 1, 1, -1
		c.s.planSend(&o)
		if o.delay > 0 {
			c.postpone(deferred{at: now.Add(o.delay), out: &o})
			return buf, nil
		}
	}
	if first := o.first; first != nil {
		if first.Kind == wsserver.Freeze { // the frame follows when the thaw comes
			o.first = nil
			c.out = slices.Insert(c.out, 0, o)
		}
		return buf, first
	}
	if o.lost {
		return buf, nil
	}
	if o.cut >= 0 {
		start := len(buf)
		buf = appendMessage(buf, o.op, o.data, o.fragments)
		return buf[:min(start+o.cut, len(buf))], &wsserver.Breakage{Kind: wsserver.Drop}
	}
	for range o.copies {
		buf = appendMessage(buf, o.op, o.data, o.fragments)
	}
	r := Record{Queue: c.q.name, Conn: c.n, EventID: o.moment.EventID, Receipt: o.moment.Receipt}
	switch o.kind {
	case Replies:
		r.Op = OpReply
		c.s.record(r)
	case Pongs:
		r.Op = OpPong
		c.s.record(r)
	}
	return buf, nil
}

// appendMessage appends data as a message of the given number of fragments,
// with a control ping between each two, as RFC 6455 section 5.4 permits.
func appendMessage(buf []byte, op byte, data []byte, fragments int) []byte {
	for i := range fragments {
		last := i == fragments-1
		buf = wsserver.AppendFrame(buf, op, last, data[len(data)*i/fragments:len(data)*(i+1)/fragments])
		op = wsserver.Continuation
		if !last {
			buf = wsserver.AppendFrame(buf, wsserver.Ping, true)
		}
	}
	return buf
}

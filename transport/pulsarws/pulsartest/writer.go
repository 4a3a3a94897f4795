package pulsartest

import (
	"strconv"
	"time"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// Collect appends frames to buf: replies, then messages.
func (c *session) Collect(buf []byte) ([]byte, *wsserver.Breakage, time.Time) {
	for _, frame := range c.out {
		buf = append(buf, frame...)
	}
	c.out = nil
	buf, first := c.deliver(buf, time.Now())
	return buf, first, time.Time{}
}

// emit appends the frame of a delivery, as the faults would have it.
func (c *session) emit(buf []byte, p piece) ([]byte, *wsserver.Breakage) {
	h, m := p.h, p.m
	o := outgoing{op: wsserver.Text, cut: -1, copies: 1, fragments: 1}
	if len(c.s.onSend) > 0 {
		c.s.planSend(&o, Moment{Conn: c.n, Topic: m.t.name, Subscription: c.target.subscription, MessageID: m.id})
	}
	if o.lost {
		return buf, nil
	}
	if o.first != nil {
		if o.first.Kind == wsserver.Freeze {
			c.out = append(c.out, wsserver.AppendFrame(nil, o.op, true, m.envelope(h.count)))
		}
		return buf, o.first
	}
	if !o.edited() && !m.handmade {
		var digits [20]byte
		return wsserver.AppendFrame(buf, wsserver.Text, true, m.head, strconv.AppendInt(digits[:0], int64(h.count), 10), m.tail), nil
	}
	data := m.envelope(h.count)
	for _, rewrite := range o.rewrites {
		data = rewrite(data)
	}
	start := len(buf)
	for range o.copies {
		op := o.op
		for i := range o.fragments {
			part := data[len(data)*i/o.fragments : len(data)*(i+1)/o.fragments]
			buf = wsserver.AppendFrame(buf, op, i == o.fragments-1, part)
			op = wsserver.Continuation
		}
	}
	if o.cut >= 0 {
		return buf[:min(start+o.cut, len(buf))], &wsserver.Breakage{Kind: wsserver.Drop}
	}
	return buf, nil
}

// envelope returns the whole envelope, in memory of its own.
func (m *message) envelope(count int) []byte {
	b := append([]byte(nil), m.head...)
	if m.handmade {
		return b
	}
	return append(strconv.AppendInt(b, int64(count), 10), m.tail...)
}

package pulsartest

import (
	"strconv"
	"time"

	"github.com/coder/websocket"
)

// write sends what there is to send until the connection ends.
func (c *session) write() {
	var buf []byte
	for {
		c.s.mu.Lock()
		var first *Breakage
		buf, first = c.collect(buf[:0])
		ending := c.ending != nil
		c.s.mu.Unlock()

		if len(buf) > 0 {
			if _, err := c.wire.Write(buf); err != nil {
				c.finish()
				return
			}
		}
		switch {
		case first != nil:
			c.s.mu.Lock()
			c.end(*first)
			c.s.mu.Unlock()
			continue
		case ending:
			c.finish()
			return
		case len(buf) > 0:
			continue
		}
		select {
		case <-c.wake:
		case <-c.gone:
			return
		}
	}
}

// collect appends frames to buf: replies, then messages. It stops at a
// Breakage, which is to happen once buf is written. The caller holds mu.
func (c *session) collect(buf []byte) ([]byte, *Breakage) {
	if !c.open || c.ending != nil {
		return buf, nil
	}
	for _, frame := range c.out {
		buf = append(buf, frame...)
	}
	c.out = nil
	buf, first := c.deliver(buf, time.Now())
	if first != nil {
		// The client may answer what is in buf before the breakage comes. A
		// test could not tell whether the server saw that; so it does not.
		c.deaf = c.deaf || first.kind != freezing
	}
	return buf, first
}

// emit appends the frame of a delivery, as the faults would have it.
func (c *session) emit(buf []byte, h *hold) ([]byte, *Breakage) {
	m := h.m
	o := outgoing{op: opText, cut: -1, copies: 1, fragments: 1}
	if len(c.s.faults.onSend) > 0 {
		c.s.planSend(&o, Moment{Conn: c.n, Topic: m.t.name, Subscription: c.target.subscription, MessageID: m.id})
	}
	if o.lost {
		return buf, nil
	}
	if o.first != nil {
		if o.first.kind == freezing {
			c.out = append(c.out, appendFrame(nil, o.op, true, m.envelope(h.count)))
		}
		return buf, o.first
	}
	if !o.edited() && !m.handmade {
		var digits [20]byte
		return appendFrame(buf, opText, true, m.head, strconv.AppendInt(digits[:0], int64(h.count), 10), m.tail), nil
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
			buf = appendFrame(buf, op, i == o.fragments-1, part)
			op = opContinuation
		}
	}
	if o.cut >= 0 {
		drop := Drop()
		return buf[:min(start+o.cut, len(buf))], &drop
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

// finish ends the connection from the writer's side.
func (c *session) finish() {
	c.s.mu.Lock()
	how := c.ending
	c.s.mu.Unlock()
	if how != nil && how.kind == closing {
		if c.wire.deaf() {
			// Nobody would hear the close frame, and nobody would answer.
			c.release(how.code, "closed by the server, unheard")
		} else {
			_ = c.ws.Close(websocket.StatusCode(how.code), how.reason)
			c.release(how.code, "closed by the server")
		}
	}
	_ = c.ws.CloseNow()
}

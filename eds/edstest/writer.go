package edstest

import (
	"slices"
	"time"

	"github.com/coder/websocket"
)

// write sends what there is to send until the connection ends.
func (c *connection) write() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var buf []byte
	wrote := false
	for {
		now := time.Now()
		c.s.mu.Lock()
		if wrote && !c.wire.muted() {
			c.active = now
		}
		var first *Breakage
		buf, first = c.collect(buf[:0], now)
		next, wait := c.next(now)
		ending := c.ending != nil
		c.s.mu.Unlock()

		if wrote = len(buf) > 0; wrote {
			if _, err := c.wire.Write(buf); err != nil {
				c.finish()
				return
			}
		}
		if first != nil {
			c.s.mu.Lock()
			c.end(*first)
			c.s.mu.Unlock()
			continue
		}
		if ending {
			c.finish()
			return
		}
		if wrote {
			continue
		}
		var tick <-chan time.Time
		if wait {
			timer.Reset(next)
			tick = timer.C
		}
		select {
		case <-c.wake:
		case <-tick:
		case <-c.gone:
			return
		}
	}
}

// collect appends frames that are due to buf: replies and pongs, then delayed
// frames whose time has come, then events. It stops at a Breakage, which is to
// happen once buf is written. The caller holds mu.
func (c *connection) collect(buf []byte, now time.Time) ([]byte, *Breakage) {
	if !c.open || c.ending != nil {
		return buf, nil
	}
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
	for len(buf) < batchBytes {
		var first *Breakage
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
			// The client may react to what is in buf before the breakage comes.
			// A test could not tell whether the server saw that; so it does not.
			c.deaf = c.deaf || first.kind != freezing
			return buf, first
		}
	}
	return buf, nil
}

// next tells after which time, without a wake, there is something to do.
func (c *connection) next(now time.Time) (time.Duration, bool) {
	at, ok := c.q.due()
	if len(c.later) > 0 && (!ok || c.later[0].at.Before(at)) {
		at, ok = c.later[0].at, true
	}
	return max(at.Sub(now), 0), ok
}

// emitEvent delivers m. Without faults its frame is rendered in place.
func (c *connection) emitEvent(buf []byte, m *message, now time.Time) ([]byte, *Breakage) {
	head, tail, id, kind := m.head, m.tail, m.id, m.kind
	receipt := c.q.deliver(m, c, now)
	if len(c.s.onSend[Events]) == 0 {
		buf = appendHeader(buf, true, opText, len(head)+len(receipt)+len(tail))
		buf = append(buf, head...)
		buf = append(buf, receipt...)
		return append(buf, tail...), nil
	}
	return c.emit(buf, outgoing{
		kind: Events, op: opText, data: slices.Concat(head, []byte(receipt), tail),
		moment: Moment{
			Queue: c.q.name, Conn: c.n, EventID: id, EventType: kind,
			Receipt: receipt, Attempt: m.delivered,
		},
	}, now)
}

// emit appends o as its faults would have it.
func (c *connection) emit(buf []byte, o outgoing, now time.Time) ([]byte, *Breakage) {
	if !o.planned {
		o.planned, o.copies, o.fragments, o.cut = true, 1, 1, -1
		c.s.planSend(&o)
		if o.delay > 0 {
			c.postpone(deferred{at: now.Add(o.delay), out: &o})
			return buf, nil
		}
	}
	if first := o.first; first != nil {
		if first.kind == freezing { // the frame follows when the thaw comes
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
		drop := Drop()
		return buf[:min(start+o.cut, len(buf))], &drop
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

// finish ends the connection from the writer's side.
func (c *connection) finish() {
	c.s.mu.Lock()
	how := c.ending
	c.s.mu.Unlock()
	if how != nil && how.kind == closing {
		if c.wire.cutOff() {
			// Nobody would hear the close frame, and nobody would answer.
			c.release(how.code, true, "closed by the server, unheard")
		} else {
			_ = c.ws.Close(websocket.StatusCode(how.code), how.reason)
			c.release(how.code, true, "closed by the server")
		}
	}
	_ = c.ws.CloseNow()
}

package pulsartest

import (
	"bytes"
	"maps"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// planSend applies the faults of a delivery. The caller holds mu.
func (s *Server) planSend(o *outgoing, m Moment) {
	apply(s, &s.faults.onSend, m, func(a DeliverAction) bool {
		a.deliver(o)
		return o.lost || o.first != nil || o.cut >= 0
	})
}

// disturbCommand applies the faults of a command and, if it is left, acts on
// it. The caller holds mu.
func (c *session) disturbCommand(cmd command) {
	if len(c.s.faults.onCommand) == 0 {
		c.act(cmd)
		return
	}
	in := c.planCommand(Moment{
		Conn: c.n, Topic: c.target.topic, Subscription: c.target.subscription, MessageID: string(cmd.id), Command: cmd.kind,
	})
	if !in.lost && in.delay > 0 {
		cmd.id = bytes.Clone(cmd.id)
		c.later(in.delay, func() { c.act(cmd) })
		return
	}
	if !in.lost {
		c.act(cmd)
	}
}

// planCommand applies the faults of a command, and breaks what they break. The
// caller holds mu.
func (c *session) planCommand(m Moment) incoming {
	var in incoming
	apply(c.s, &c.s.faults.onCommand, m, func(a CommandAction) bool {
		a.command(&in)
		return in.lost || in.first != nil
	})
	if in.first != nil {
		in.lost = in.lost || in.first.kind != freezing
		c.end(*in.first)
	}
	if in.lost {
		c.s.record(c.note(Record{Op: OpCommandLost, MessageID: m.MessageID, Detail: string(m.Command)}))
	}
	return in
}

// later calls f, with mu held, unless the session ends before.
func (c *session) later(d time.Duration, f func()) {
	time.AfterFunc(d, func() {
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		if c.open {
			f()
		}
	})
}

// disturbDial applies the faults of a dial and tells whether one of them was
// its end.
func (s *Server) disturbDial(w http.ResponseWriter, r *http.Request, m Moment) (over bool) {
	var d dialing
	s.mu.Lock()
	apply(s, &s.faults.onDial, m, func(a DialAction) bool {
		a.dial(&d)
		return d.refuse != nil || d.first != nil
	})
	s.mu.Unlock()
	if d.delay > 0 {
		timer := time.NewTimer(d.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return true
		case <-s.closed:
			return true
		}
	}
	switch {
	case d.refuse != nil:
		maps.Copy(w.Header(), d.refuse.header)
		s.refuse(w, target{topic: m.Topic, subscription: m.Subscription}, &refusal{d.refuse.status, http.StatusText(d.refuse.status)})
	case d.first != nil && (d.first.kind == muting || d.first.kind == freezing):
		select {
		case <-r.Context().Done(): // the client gave up
		case <-s.closed:
		}
	case d.first != nil && d.first.kind == closing:
		s.upgradeAndClose(w, r, *d.first)
	case d.first != nil:
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			wire := newWire(conn, nil)
			d.first.cut(wire)
		}
	}
	return d.refuse != nil || d.first != nil
}

// upgradeAndClose upgrades only to close.
func (s *Server) upgradeAndClose(w http.ResponseWriter, r *http.Request, how Breakage) {
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err == nil {
		_ = ws.Close(websocket.StatusCode(how.code), how.reason)
	}
}

package pulsartest

import (
	"bytes"
	"net/http"
	"time"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// planSend applies the faults of a delivery. The caller holds mu.
func (s *Server) planSend(o *outgoing, m Moment) {
	s.onSend = s.onSend.Apply(m, s.happened, func(a DeliverAction) bool {
		a.deliver(o)
		return o.lost || o.first != nil || o.cut >= 0
	})
}

// disturbCommand applies the faults of a command and, if it is left, acts on
// it. The caller holds mu.
func (c *session) disturbCommand(cmd command) {
	if len(c.s.onCommand) == 0 {
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
	s := c.s
	s.onCommand = s.onCommand.Apply(m, s.happened, func(a CommandAction) bool {
		a.command(&in)
		return in.lost || in.first != nil
	})
	if in.first != nil {
		in.lost = in.lost || in.first.Kind != wsserver.Freeze
		c.Break(*in.first)
	}
	if in.lost {
		s.record(c.note(Record{Op: OpCommandLost, MessageID: m.MessageID, Detail: string(m.Command)}))
	}
	return in
}

// later calls f, with mu held, unless the session ends before.
func (c *session) later(d time.Duration, f func()) {
	time.AfterFunc(d, func() {
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		if c.Open() {
			f()
		}
	})
}

// disturbDial applies the faults of a dial and tells whether one of them was
// its end.
func (s *Server) disturbDial(w http.ResponseWriter, r *http.Request, m Moment) (over bool) {
	var d wsserver.Dial
	s.mu.Lock()
	s.onDial = s.onDial.Apply(m, s.happened, func(a DialAction) bool {
		a.dial(&d)
		return d.Over()
	})
	s.mu.Unlock()
	if !s.host.HoldUp(r, d) {
		return true
	}
	if d.Refuse != nil {
		status := d.Refuse.Status
		s.mu.Lock()
		s.record(Record{Op: OpRefuse, Topic: m.Topic, Subscription: m.Subscription, Code: status, Detail: http.StatusText(status)})
		s.mu.Unlock()
	}
	s.host.Disturb(w, r, d)
	return d.Over()
}

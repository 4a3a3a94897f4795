package edstest

import (
	"time"

	"github.com/coder/websocket"
)

// begin opens the connection, while the client cannot know of it yet: whoever
// has dialed finds the server connected.
func (c *connection) begin() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.conns++
	c.n, c.open = c.s.conns, true
	c.opened = time.Now()
	c.active = c.opened
	c.s.record(Record{Op: OpConnect, Queue: c.q.name, Conn: c.n})
}

// abandon gives up a connection whose upgrade failed.
func (c *connection) abandon(err error) {
	c.release(codeAbnormal, false, err.Error()) // when it had begun
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.n == 0 {
		c.q.conn = nil
		c.s.record(Record{Op: OpRefuse, Queue: c.q.name, Code: 426, Detail: err.Error()})
	}
}

// serve runs the connection until it ends.
func (c *connection) serve(ws *websocket.Conn, wire *wire) {
	s := c.s
	s.mu.Lock()
	c.ws, c.wire = ws, wire
	for _, how := range c.early {
		c.end(how)
	}
	s.mu.Unlock()
	c.limit()

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.write()
	}()
	err := c.read()
	code, clean := int(websocket.CloseStatus(err)), true
	if code < 0 {
		code, clean = codeAbnormal, false
	}
	// After a close frame this comes too late to matter, unless the answer to
	// it could not be written.
	c.release(code, clean, "")
	close(c.gone)
	_ = c.ws.CloseNow()
	<-ended

	s.mu.Lock()
	defer s.mu.Unlock()
	for _, timer := range []*time.Timer{c.watch, c.grace} {
		if timer != nil {
			timer.Stop()
		}
	}
}

// closing is called before a close frame leaves, be it ours or the answer to
// the client's: from now on the queue is free, so that a client that waited for
// the answer can dial again.
func (c *connection) closing(code int) {
	c.s.mu.Lock()
	detail := "closed by the client"
	if c.ending != nil {
		detail = "closed by the server"
	}
	c.s.mu.Unlock()
	c.release(code, true, detail)
}

// end ends or disturbs the connection. The caller holds mu.
func (c *connection) end(how Breakage) {
	if !c.open {
		return
	}
	if c.wire == nil {
		c.early = append(c.early, how)
		return
	}
	c.deaf = c.deaf || how.kind != freezing
	switch how.kind {
	case muting:
		c.wire.silence()
	case freezing:
		c.wire.freeze()
	case dropping, resetting:
		c.settleEnding(how)
		how.cut(c.wire)
	case closing:
		c.settleEnding(how)
		if c.grace == nil {
			c.grace = time.AfterFunc(closeGrace, func() { _ = c.wire.Close() })
		}
		c.poke()
	}
}

// settleEnding keeps the first ending. The caller holds mu.
func (c *connection) settleEnding(how Breakage) {
	if c.ending == nil {
		c.ending = &how
	}
}

// limit ends the connection when it is idle for too long or too old, and
// else looks again when that could be. It runs on the goroutine of watch.
func (c *connection) limit() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if !c.open || c.ending != nil {
		return
	}
	now, conf := time.Now(), &c.s.conf
	var next time.Time
	for _, l := range []struct {
		after time.Duration
		since time.Time
		how   Breakage
	}{
		{conf.idle, c.active, conf.idleBy},
		{conf.maxAge, c.opened, Close(int(websocket.StatusGoingAway), "")},
	} {
		if l.after == 0 {
			continue
		}
		at := l.since.Add(l.after)
		if !now.Before(at) {
			c.end(l.how)
			return
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if next.IsZero() {
		return
	}
	if c.watch == nil {
		c.watch = time.AfterFunc(next.Sub(now), c.limit)
		return
	}
	c.watch.Reset(next.Sub(now))
}

// release gives the queue back, once: when a close frame leaves in either
// direction, or when the connection is found to be gone. What the client was
// given is taken back, and what was on its way to it is lost.
func (c *connection) release(code int, clean bool, detail string) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.open {
		return
	}
	c.open = false
	c.q.conn = nil
	hold := s.conf.staleHold
	if clean {
		hold = s.conf.closeDelay
	}
	c.q.taken = time.Now().Add(hold)
	if !s.conf.holdUnacked || s.conf.visibility == 0 {
		c.q.giveAllBack()
	}
	for _, d := range c.later {
		if d.in != nil && d.in.kind == Acks {
			c.lose(d.in)
		}
	}
	c.out, c.later = nil, nil
	s.record(Record{Op: OpDisconnect, Queue: c.q.name, Conn: c.n, Code: code, Detail: detail})
}

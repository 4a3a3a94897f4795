package edstest

import (
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// Begin takes the queue for good.
func (c *connection) Begin() {
	c.s.conns++
	c.n = c.s.conns
	c.opened = time.Now()
	c.active = c.opened
	c.s.record(Record{Op: OpConnect, Queue: c.q.name, Conn: c.n, Detail: c.client})
	c.limit()
}

// limit ends the connection when it is idle for too long or too old, and
// else looks again when that could be. The caller holds mu.
func (c *connection) limit() {
	if !c.Lasting() {
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
			c.Break(l.how.how)
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
		c.watch = time.AfterFunc(next.Sub(now), func() {
			c.s.mu.Lock()
			defer c.s.mu.Unlock()
			c.limit()
		})
		return
	}
	c.watch.Reset(next.Sub(now))
}

// Release gives the queue back. What the client was given is taken back, and
// what was on its way to it is lost.
func (c *connection) Release(end wsserver.End) {
	s := c.s
	c.q.conn = nil
	if c.n == 0 {
		s.record(Record{Op: OpRefuse, Queue: c.q.name, Code: http.StatusUpgradeRequired, Detail: end.Detail})
		return
	}
	if c.watch != nil {
		c.watch.Stop()
	}
	hold := s.conf.staleHold
	if end.Clean {
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
	s.record(Record{Op: OpDisconnect, Queue: c.q.name, Conn: c.n, Code: end.Code, Detail: end.Detail})
}

package pulsartest

import (
	"fmt"
	"time"

	"github.com/coder/websocket"
)

// ping sends a ping, now and then. It runs on the goroutine of c.pinging.
func (c *session) ping() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if !c.open || c.ending != nil {
		return
	}
	c.out = append(c.out, appendFrame(nil, opPing, true, []byte("PING")))
	c.poke()
	c.pinging.Reset(c.s.conf.ping)
}

// watch ends the session when it is idle for too long, and else looks again
// when that could be. It runs on the goroutine of c.idle.
func (c *session) watch() {
	limit := c.s.conf.idle
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if !c.open || c.ending != nil || limit == 0 {
		return
	}
	silent := time.Since(time.Unix(0, c.wire.passed.Load()))
	if silent >= limit {
		c.end(Close(int(websocket.StatusGoingAway),
			fmt.Sprintf("java.util.concurrent.TimeoutException: Idle timeout expired: %d/%d ms", silent.Milliseconds(), limit.Milliseconds())))
		return
	}
	if c.idle == nil {
		c.idle = time.AfterFunc(limit-silent, c.watch)
		return
	}
	c.idle.Reset(limit - silent)
}

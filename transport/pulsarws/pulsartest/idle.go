package pulsartest

import (
	"fmt"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// ping sends a ping, now and then. It runs on the goroutine of c.pinging.
func (c *session) ping() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if !c.Lasting() {
		return
	}
	c.out = append(c.out, wsserver.AppendFrame(nil, wsserver.Ping, true, []byte("PING")))
	c.Poke()
	c.pinging.Reset(c.s.conf.ping)
}

// watch ends the session when it is idle for too long, and else looks again
// when that could be. It runs on the goroutine of c.idle.
func (c *session) watch() {
	limit := c.s.conf.idle
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if !c.Lasting() {
		return
	}
	silent := c.Silence()
	if silent >= limit {
		c.Break(Close(int(websocket.StatusGoingAway),
			fmt.Sprintf("java.util.concurrent.TimeoutException: Idle timeout expired: %d/%d ms", silent.Milliseconds(), limit.Milliseconds())).how)
		return
	}
	c.idle.Reset(limit - silent)
}

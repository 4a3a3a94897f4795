package sim

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/eventdelivery/eds-go/internal/history"
)

// conn is a connection as its process sees it. It tells the history when the
// process dials, is connected, and is not any more.
type conn struct {
	net.Conn
	process  *Process
	name     string
	requests atomic.Int32
	upgraded atomic.Bool
	closed   sync.Once
}

// Dial connects the process with the service. Its signature is that of
// net.Dialer.DialContext.
func (p *Process) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if p.Dead() {
		return nil, errCrashed
	}
	p.record(history.Entry{Op: history.Dial})
	inner, err := p.world.dial(ctx, p, network, address)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: inner, process: p, name: fmt.Sprintf("%s-%d", p.Name, p.world.passes.next("dial", p.Name))}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		inner.Close()
		return nil, errCrashed
	}
	p.conns[c] = struct{}{}
	return c, nil
}

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	if bytes.HasPrefix(b, []byte("GET ")) && c.requests.Add(1) > 1 {
		c.process.record(history.Entry{Op: history.Dial}) // on a connection that was kept alive
	}
	return c.Conn.Write(b)
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.upgraded.Load() && bytes.HasPrefix(b[:n], []byte("HTTP/1.1 101")) && c.upgraded.CompareAndSwap(false, true) {
		c.process.record(history.Entry{Op: history.Connect, Conn: c.name})
	}
	return n, err
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.closed.Do(func() {
		c.process.mu.Lock()
		delete(c.process.conns, c)
		c.process.mu.Unlock()
		if c.upgraded.Load() {
			c.process.record(history.Entry{Op: history.Disconnect, Conn: c.name})
		}
	})
	return c.Conn.Close()
}

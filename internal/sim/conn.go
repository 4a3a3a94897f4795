package sim

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
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
	aside    atomic.Bool // a reader's look-up, which is not what it reads from
	closed   sync.Once
}

// Dial connects the process with the service. Its signature is that of
// net.Dialer.DialContext.
func (p *Process) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if p.Dead() {
		return nil, errCrashed
	}
	if !p.world.reads() {
		p.record(history.Entry{Op: history.Dial})
	}
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
	if bytes.HasPrefix(b, []byte("GET ")) {
		n := c.requests.Add(1)
		c.aside.Store(lookUp(b))
		// On a connection that was kept alive, or of which nobody knew before
		// what it is for.
		if (n > 1 || c.process.world.reads()) && !c.aside.Load() {
			c.process.record(history.Entry{Op: history.Dial})
		}
	}
	return c.Conn.Write(b)
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.upgraded.Load() && bytes.HasPrefix(b[:n], []byte("HTTP/1.1 101")) && c.upgraded.CompareAndSwap(false, true) && !c.aside.Load() {
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
		if c.upgraded.Load() && !c.aside.Load() {
			c.process.record(history.Entry{Op: history.Disconnect, Conn: c.name})
		}
	})
	return c.Conn.Close()
}

// reads tells whether the programs are readers, which look at the beginning of
// their topic now and then, on a connection beside the one that they read from.
func (w *World) reads() bool { return w.Topic != nil && w.Topic.Kind == "" }

// lookUp tells whether a request is made for that: for one message, which no
// reader of ours asks for otherwise.
func lookUp(request []byte) bool {
	line, _, _ := bytes.Cut(request, []byte("\r\n"))
	return bytes.Contains(append(slices.Clip(line), '&'), []byte("receiverQueueSize=1&")) ||
		bytes.Contains(line, []byte("receiverQueueSize=1 "))
}

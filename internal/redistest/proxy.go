package redistest

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy stands between a client and a server and does them harm. Faults apply
// at once, to open connections too.
type Proxy struct {
	// Addr is where clients connect.
	Addr string

	target   atomic.Pointer[string]
	listener net.Listener
	wg       sync.WaitGroup

	cut     atomic.Int32 // replies still to be lost
	lost    atomic.Int32
	hole    atomic.Bool
	latency atomic.Int64

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	down   bool
	closed bool
	thaw   chan struct{} // closed when the black hole ends
}

// NewProxy returns a Proxy to target, HOST:PORT, which ends with the test.
func NewProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	p := &Proxy{
		Addr: l.Addr().String(), listener: l,
		conns: make(map[net.Conn]struct{}), thaw: make(chan struct{}),
	}
	p.target.Store(&target)
	p.wg.Go(p.accept)
	tb.Cleanup(func() {
		p.Pass()
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		l.Close()
		p.Reset()
		p.wg.Wait()
	})
	return p
}

// CutReplies loses the next n replies: their requests reach the server, and
// then the connection ends.
func (p *Proxy) CutReplies(n int) { p.cut.Store(int32(n)) }

// Lost counts the replies that CutReplies has lost.
func (p *Proxy) Lost() int { return int(p.lost.Load()) }

// BlackHole swallows everything from now on; connections stay open.
func (p *Proxy) BlackHole() { p.hole.Store(true) }

// Latency delays each reply by d.
func (p *Proxy) Latency(d time.Duration) { p.latency.Store(int64(d)) }

// Down ends all connections, and each new one at once.
func (p *Proxy) Down() {
	p.mu.Lock()
	p.down = true
	p.mu.Unlock()
	p.Reset()
}

// Pass ends all faults.
func (p *Proxy) Pass() {
	p.cut.Store(0)
	p.latency.Store(0)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
	if p.hole.Swap(false) {
		close(p.thaw)
		p.thaw = make(chan struct{})
	}
}

// Redirect has the proxy stand before another server from now on, and ends all
// connections to the first, as a name that is given to another machine.
func (p *Proxy) Redirect(target string) {
	p.target.Store(&target)
	p.Reset()
}

// Reset ends all connections.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0) // a reset rather than a clean end
		}
		c.Close()
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		server, err := net.Dial("tcp", *p.target.Load())
		if err != nil || !p.keep(client, server) {
			client.Close()
			if err == nil {
				server.Close()
			}
			continue
		}
		p.wg.Go(func() { p.copy(server, client, false) })
		p.wg.Go(func() { p.copy(client, server, true) })
	}
}

func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down || p.closed {
		return false
	}
	for _, c := range conns {
		p.conns[c] = struct{}{}
	}
	return true
}

// copy passes on what src says until either side ends.
func (p *Proxy) copy(dst, src net.Conn, replies bool) {
	defer func() {
		p.mu.Lock()
		delete(p.conns, dst)
		delete(p.conns, src)
		p.mu.Unlock()
		dst.Close()
		src.Close()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if err != nil {
			return
		}
		if replies {
			if left := p.cut.Load(); left > 0 && p.cut.CompareAndSwap(left, left-1) {
				p.lost.Add(1)
				return
			}
			if d := time.Duration(p.latency.Load()); d > 0 {
				time.Sleep(d)
			}
		}
		if p.hole.Load() {
			p.mu.Lock()
			thaw := p.thaw
			p.mu.Unlock()
			if p.hole.Load() {
				<-thaw // what is held back goes out late, as after a real outage
			}
		}
		if _, err := dst.Write(buf[:n]); err != nil {
			return
		}
	}
}

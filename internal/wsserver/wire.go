package wsserver

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// wire is the server's end of a connection, below the WebSocket. It lets one
// writer on at a time, knows when bytes last passed, sees close frames leave,
// and can be cut off from the network without the WebSocket above knowing.
type wire struct {
	net.Conn
	closing func(code int) // called before a close frame goes out; may be nil
	passed  atomic.Int64   // when bytes last went either way, in ns

	// turn holds a token while somebody writes. It is a channel because a
	// goroutine that waits for a mutex does not count as blocked in a bubble.
	turn   chan struct{}
	closed chan struct{}

	mu    sync.Mutex
	shut  bool
	mute  bool
	thaw  chan struct{} // not nil while reading is held up
	still bool          // writing is held up too
}

func newWire(conn net.Conn, closing func(code int)) *wire {
	w := &wire{Conn: conn, closing: closing, turn: make(chan struct{}, 1), closed: make(chan struct{})}
	w.pass()
	return w
}

// Write writes p, which begins with a frame: data is written frame by frame,
// and the WebSocket library flushes each control frame by itself. So a close
// frame is seen here, at the last moment before the client can know of it.
func (w *wire) Write(p []byte) (int, error) {
	select {
	case w.turn <- struct{}{}:
	case <-w.closed:
		return 0, net.ErrClosed
	}
	defer func() { <-w.turn }()
	if !w.passable(true) {
		return 0, net.ErrClosed
	}
	if len(p) > 1 && p[0]&0xf == closeFrame && w.closing != nil {
		code := CodeNone
		if len(p) >= 4 {
			code = int(binary.BigEndian.Uint16(p[2:]))
		}
		w.closing(code)
	}
	if w.muted() {
		return len(p), nil
	}
	n, err := w.Conn.Write(p)
	if err == nil {
		w.pass()
	} else if w.muted() && !w.isShut() {
		return len(p), nil // the end of the peer is not heard of any more
	}
	return n, err
}

// Read reads for the WebSocket. A muted wire takes all in and hands nothing
// on, not even the end: so it is with a peer whose packets get lost.
func (w *wire) Read(p []byte) (int, error) {
	for {
		n, err := w.Conn.Read(p)
		if !w.passable(false) {
			return 0, net.ErrClosed
		}
		if !w.muted() {
			w.pass()
			return n, err
		}
		if err != nil {
			<-w.closed
			return 0, net.ErrClosed
		}
	}
}

func (w *wire) pass() { w.passed.Store(time.Now().UnixNano()) }

// lastPass is when bytes last went either way, control frames included.
func (w *wire) lastPass() time.Time { return time.Unix(0, w.passed.Load()) }

// passable waits while reading, or writing, is held up; false when the wire was
// closed meanwhile.
func (w *wire) passable(writing bool) bool {
	for {
		w.mu.Lock()
		thaw := w.thaw
		if writing && !w.still {
			thaw = nil
		}
		w.mu.Unlock()
		if thaw == nil {
			return true
		}
		select {
		case <-thaw:
		case <-w.closed:
			return false
		}
	}
}

// Close implements net.Conn.
func (w *wire) Close() error {
	w.mu.Lock()
	first := !w.shut
	w.shut = true
	w.mu.Unlock()
	if first {
		close(w.closed)
	}
	return w.Conn.Close()
}

// reset closes such that the peer sees a reset, where the network has one.
func (w *wire) reset() {
	if tcp, ok := w.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = w.Close()
}

// cutOff tells whether nothing that is written now would arrive.
func (w *wire) cutOff() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shut || w.mute || w.thaw != nil
}

func (w *wire) isShut() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shut
}

// muted tells whether silence was called.
func (w *wire) muted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mute
}

// silence lets all vanish from now on, in both directions.
func (w *wire) silence() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mute = true
}

// freeze holds up all reading and writing until unfreeze or Close.
func (w *wire) freeze() {
	w.holdReading()
	w.holdWriting()
}

// holdReading holds up all reading until unfreeze or Close.
func (w *wire) holdReading() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.thaw == nil {
		w.thaw = make(chan struct{})
	}
}

// holdWriting holds up all writing too, if reading is held up still.
func (w *wire) holdWriting() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.still = w.thaw != nil
}

// unfreeze ends a freeze.
func (w *wire) unfreeze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.thaw != nil {
		close(w.thaw)
		w.thaw, w.still = nil, false
	}
}

package wsconn

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// readAhead is how much of what has come in is taken with one read call.
	readAhead = 64 << 10
	// finishing is how long an interrupted reader may wait for the rest of a
	// frame of which a part was handed out already.
	finishing = time.Second
)

var (
	// ErrInterrupted is what a read ends with after Interrupt. Nothing was
	// lost: the same read may be made again after Resume.
	ErrInterrupted error = interruption{}

	errClosed = fmt.Errorf("wsconn: %w", net.ErrClosed)
)

// Conn lies between a WebSocket and its network connection, above TLS. It
// reads ahead, so that a burst of messages costs one read call, and holds
// writes back as long as the reader has more to take up, so that the answers
// to a burst cost one write call.
//
// Read must be called by one goroutine at a time and must be given the frames
// of a WebSocket. All other methods may be called at any time.
type Conn struct {
	src          io.ReadWriteCloser
	deadlines    net.Conn // the connection below src; nil when it is hidden
	writeTimeout time.Duration
	epoch        time.Time // what the atomic times below count from

	// Of the reading goroutine.
	buf    []byte
	r, w   int   // buf[r:w] is what came in and was not handed out yet
	left   int64 // bytes of the frame now handed out, header included, that are still to come
	readAt time.Time

	lastRead atomic.Int64 // nanoseconds after epoch; 0 for never
	awaiting atomic.Int64 // since when Read waits for the network; 0: it does not
	unread   atomic.Bool  // whether buf[r:w] holds anything

	stop struct {
		sync.Mutex
		interrupted bool
		finish      bool // the deadline of the rest of a frame is set
	}

	held held
}

// newConn wraps src. The deadlines are set on conn, which is the network
// connection that src reads and writes; without one, reads cannot be
// interrupted but by closing.
func newConn(src io.ReadWriteCloser, conn net.Conn, writeTimeout time.Duration) *Conn {
	c := &Conn{
		src:          src,
		deadlines:    conn,
		writeTimeout: writeTimeout,
		// A moment ago, so that zero means never.
		epoch: time.Now().Add(-1),
		buf:   make([]byte, readAhead),
	}
	c.held.room.L = &c.held.Mutex
	return c
}

// Read hands out the rest of one frame at most. So nothing is hidden in the
// buffers above, and a reader that waits for the next frame has none of it
// yet: it can be interrupted without loss. For the same reason a frame that
// fits into the buffer is handed out only when it is complete.
func (c *Conn) Read(p []byte) (int, error) {
	for !c.ready() {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	end := c.w
	if int64(c.w-c.r) > c.left {
		end = c.r + int(c.left)
	}
	n := copy(p, c.buf[c.r:end])
	c.r += n
	c.left -= int64(n)
	if c.r == c.w {
		c.r, c.w = 0, 0
		c.unread.Store(false)
	}
	return n, nil
}

// ready tells whether there is something to hand out.
func (c *Conn) ready() bool {
	if c.left > 0 {
		return c.r < c.w
	}
	size, ok := frameSize(c.buf[c.r:c.w])
	if !ok || int64(c.w-c.r) < size && size <= int64(len(c.buf)) {
		return false
	}
	c.left = size
	return true
}

// fill reads from the network once. Before it may have to wait there, it
// sends what is held back: nobody else knows that the burst is over.
func (c *Conn) fill() error {
	if c.r > 0 {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	// First the mark, then the flush: a writer that does not see the mark has
	// written early enough to be seen by the flush.
	c.awaiting.Store(c.now())
	defer c.awaiting.Store(0)
	if err := c.Flush(); err != nil {
		return err
	}
	for idle := 0; ; idle++ {
		n, err := 0, c.interruption(nil)
		if err == nil {
			n, err = c.src.Read(c.buf[c.w:])
		}
		if n == 0 && err == nil && idle > 100 {
			err = io.ErrNoProgress
		}
		if n > 0 { // an error beside it comes again with the next read
			c.w += n
			c.readAt = time.Now()
			c.lastRead.Store(int64(c.readAt.Sub(c.epoch)))
			c.unread.Store(true)
			return nil
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = c.interruption(err)
		}
		if err != nil {
			if errors.Is(err, ErrInterrupted) {
				return err
			}
			if errors.Is(err, io.EOF) {
				// coder/websocket takes a bare EOF behind a frame's header for
				// the end of the message.
				err = io.ErrUnexpectedEOF
			}
			return c.fail(err)
		}
	}
}

// Interrupt ends a Read that waits for the network, now and until Resume, with
// ErrInterrupted. Between two frames nothing is lost by it. In the middle of
// a long frame Read goes on for a second; if the frame is not complete then,
// the connection is closed.
func (c *Conn) Interrupt() {
	c.stop.Lock()
	defer c.stop.Unlock()
	if c.stop.interrupted {
		return
	}
	c.stop.interrupted = true
	if c.deadlines == nil {
		c.Fail(ErrInterrupted)
		return
	}
	c.deadlines.SetReadDeadline(time.Unix(1, 0))
}

// Resume undoes Interrupt.
func (c *Conn) Resume() {
	c.stop.Lock()
	defer c.stop.Unlock()
	if !c.stop.interrupted {
		return
	}
	c.stop.interrupted, c.stop.finish = false, false
	if c.deadlines != nil {
		c.deadlines.SetReadDeadline(time.Time{})
	}
}

// interruption says how a read that may have been interrupted goes on: with
// nil it is made again. timeout is the error of a deadline that passed.
func (c *Conn) interruption(timeout error) error {
	c.stop.Lock()
	defer c.stop.Unlock()
	switch {
	case !c.stop.interrupted:
		return nil // a deadline that has passed belonged to an earlier Interrupt
	case c.left == 0:
		return ErrInterrupted
	case c.stop.finish && timeout != nil:
		return fmt.Errorf("wsconn: interrupted in the middle of a frame: %w", timeout)
	case !c.stop.finish:
		c.stop.finish = true
		c.deadlines.SetReadDeadline(time.Now().Add(finishing))
	}
	return nil
}

// ReadAt is when the bytes came in that Read last handed out. It belongs to
// the reading goroutine.
func (c *Conn) ReadAt() time.Time { return c.readAt }

// LastRead is when bytes last came in; zero for never.
func (c *Conn) LastRead() time.Time { return c.at(c.lastRead.Load()) }

// Awaiting tells whether a reader waits for the network, and since when.
func (c *Conn) Awaiting() (since time.Time, ok bool) {
	t := c.at(c.awaiting.Load())
	return t, !t.IsZero()
}

func (c *Conn) now() int64 { return int64(time.Since(c.epoch)) }

func (c *Conn) at(t int64) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return c.epoch.Add(time.Duration(t))
}

// interruption is a temporary error, so that the layers below keep their state.
type interruption struct{}

func (interruption) Error() string   { return "wsconn: read interrupted" }
func (interruption) Timeout() bool   { return true }
func (interruption) Temporary() bool { return true }

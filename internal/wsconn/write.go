package wsconn

import (
	"net"
	"runtime"
	"sync"
	"time"
)

const (
	// holdBack is the longest time for which a write is held back.
	holdBack = time.Millisecond
	// sendAt is how many held bytes are sent without waiting for more.
	sendAt = 32 << 10
	// heldLimit is at how many bytes a writer waits for the flush under way.
	heldLimit = 1 << 20
	// lastWords bounds the write of what is still held at Close.
	lastWords = time.Second
)

// held is the writing side of a Conn.
type held struct {
	sync.Mutex
	room     sync.Cond // signalled when a flush made room, and at the end
	out      []byte    // written, not sent
	spare    []byte    // the other buffer; of the flushing goroutine while there is one
	flushing bool
	sent     time.Time   // when the last flush ended
	timer    *time.Timer // made when first needed
	armed    bool
	next     bool  // a goroutine is about to flush
	err      error // why the connection is over; nil while it is not
}

// Write takes p over. It is sent by the next Push or Flush, before Read waits
// for the network, or by Close.
func (c *Conn) Write(p []byte) (int, error) {
	h := &c.held
	h.Lock()
	defer h.Unlock()
	for h.err == nil && h.flushing && len(h.out) > heldLimit {
		h.room.Wait()
	}
	if h.err != nil {
		return 0, h.err
	}
	h.out = append(h.out, p...)
	return len(p), nil
}

// Push sees to it that what was written is sent soon. While the reader has
// more to take up from what came in, it is held back for a millisecond at
// most, so that it goes out together with what follows; else it goes at once.
// Its error says that the connection is over.
func (c *Conn) Push() error {
	if c.awaiting.Load() != 0 {
		return c.flushNext()
	}
	if !c.unread.Load() {
		return c.Flush()
	}
	h := &c.held
	h.Lock()
	if h.armed && len(h.out) < sendAt || len(h.out) == 0 || h.err != nil {
		defer h.Unlock()
		return h.err
	}
	// When nothing was sent for a while the stream is slow, and holding back
	// would save nothing.
	if len(h.out) >= sendAt || time.Since(h.sent) >= holdBack {
		h.Unlock()
		return c.Flush()
	}
	defer h.Unlock()
	h.armed = true
	if h.timer == nil {
		h.timer = time.AfterFunc(holdBack, c.overdue)
	} else {
		h.timer.Reset(holdBack)
	}
	return nil
}

// flushNext flushes once the goroutines that are ready to run have run: when
// many events are at work side by side, as behind a store that answers many at
// once, their answers go out together.
func (c *Conn) flushNext() error {
	h := &c.held
	h.Lock()
	defer h.Unlock()
	if !h.next && len(h.out) > 0 && h.err == nil {
		h.next = true
		go func() {
			runtime.Gosched()
			h.Lock()
			h.next = false
			h.Unlock()
			_ = c.Flush() // who writes next learns of its error
		}()
	}
	return h.err
}

func (c *Conn) overdue() {
	c.held.Lock()
	c.held.armed = false
	c.held.Unlock()
	_ = c.Flush() // who writes next learns of its error
}

// Flush sends what is held back. When another goroutine is sending, that one
// takes it along, and Flush does not wait for it.
func (c *Conn) Flush() error {
	h := &c.held
	h.Lock()
	if h.flushing || h.err != nil {
		defer h.Unlock()
		return h.err
	}
	h.flushing = true
	var err error
	for len(h.out) > 0 && h.err == nil && err == nil {
		h.out, h.spare = h.spare[:0], h.out
		h.Unlock()
		err = c.send(h.spare, c.writeTimeout)
		h.Lock()
		h.sent = time.Now()
		h.room.Broadcast()
	}
	h.flushing = false
	if err != nil {
		c.end(err) // before anybody who waits for room can look
	}
	over := h.err
	h.Unlock()
	if err != nil {
		return c.fail(err)
	}
	return over
}

func (c *Conn) send(b []byte, timeout time.Duration) error {
	if c.deadlines != nil {
		c.deadlines.SetWriteDeadline(time.Now().Add(timeout))
	} else {
		defer time.AfterFunc(timeout, func() { c.src.Close() }).Stop()
	}
	_, err := c.src.Write(b)
	return err
}

// Close sends what is still held back, within a second, and closes.
func (c *Conn) Close() error {
	h := &c.held
	h.Lock()
	var last []byte
	if h.err == nil && !h.flushing {
		last = h.out
	}
	c.end(errClosed)
	h.Unlock()
	if len(last) > 0 {
		_ = c.send(last, min(lastWords, c.writeTimeout)) // over all the same
	}
	return c.src.Close()
}

// Fail closes without sending anything, and makes cause the error of all that
// is under way and of Err, unless the connection was over before.
func (c *Conn) Fail(cause error) { _ = c.fail(cause) }

// Err is why the connection is over; nil as long as it is not. After Close
// it is a net.ErrClosed.
func (c *Conn) Err() error {
	c.held.Lock()
	defer c.held.Unlock()
	return c.held.err
}

// fail returns why the connection is over: cause, or what was earlier.
func (c *Conn) fail(cause error) error {
	c.held.Lock()
	c.end(cause)
	err := c.held.err
	c.held.Unlock()
	// The connection below TLS is closed first, since TLS would try to take
	// its leave of a peer that may not be there.
	if t, ok := c.deadlines.(interface{ NetConn() net.Conn }); ok {
		t.NetConn().Close()
	}
	c.src.Close()
	return err
}

// end notes, once, why the connection is over. The caller holds the lock, and
// closes after letting go of it: that may take a while.
func (c *Conn) end(cause error) {
	h := &c.held
	if h.err != nil {
		return
	}
	h.err = cause
	h.out = nil
	if h.timer != nil {
		h.timer.Stop()
	}
	h.room.Broadcast()
}

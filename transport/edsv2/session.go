package edsv2

import (
	"context"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/wsconn"
)

const (
	smallBuffer = 16 << 10 // for a message, at first
	keptBuffer  = 1 << 20  // a larger one is not kept for the next message
)

// forever is for coder/websocket, which pays for each call with a context that
// can be cancelled, and closes the connection when it is. Reads are
// interrupted, and writes bounded, by the wsconn.Conn below.
var forever = context.Background()

// session is one connection. A receipt belongs to the session that brought it.
type session struct {
	t     *Transport
	ws    *websocket.Conn
	conn  *wsconn.Conn
	key   string // to keep it out of what is said about the session's end
	since time.Time

	done  chan struct{} // ends the keep-alive
	pings sync.WaitGroup

	// doubted: the queue was held by another client before, and the service
	// may tell only by a close code that it still is.
	doubted bool

	over   atomic.Bool // its receipts are lost
	heard  atomic.Bool // a message came in
	proven atomic.Bool // an event was acknowledged

	// Of the goroutine in Receive.
	reader io.Reader // of a message that has not come in whole yet; nil between two
	kind   websocket.MessageType
	in     []byte // the message
	cut    int64  // bytes of it that were thrown away
	trash  []byte
	frame  frame
	text   []byte

	writing sync.Mutex // guards what follows
	acks    ledger
	out     []byte
}

func newSession(t *Transport, ws *websocket.Conn, conn *wsconn.Conn, key string) *session {
	s := &session{
		t: t, ws: ws, conn: conn, key: key,
		since: time.Now(),
		done:  make(chan struct{}),
		in:    make([]byte, 0, smallBuffer),
		acks:  newLedger(),
	}
	s.pings.Go(func() { conn.KeepAlive(s.done, t.pingInterval, t.pongTimeout, s.pinger()) })
	return s
}

// pinger returns the function that sends a PING, each with its own id.
func (s *session) pinger() func() error {
	n := 0
	return func() error {
		n++
		s.writing.Lock()
		defer s.writing.Unlock()
		s.out = appendPing(s.out[:0], "ping-"+strconv.Itoa(n))
		return s.ws.Write(forever, websocket.MessageText, s.out)
	}
}

// next returns the next delivery. After wsconn.ErrInterrupted it may be called
// again; every other error ends the session.
func (s *session) next() (*eds.Delivery, error) {
	for {
		if err := s.read(); err != nil {
			return nil, err
		}
		if d := s.t.open(s); d != nil {
			return d, nil
		}
	}
}

// read reads a message into s.in, or what of it is within the limit.
func (s *session) read() error {
	if s.reader == nil {
		kind, r, err := s.ws.Reader(forever)
		if err != nil {
			return err
		}
		s.reader, s.kind, s.cut = r, kind, 0
		if s.in = s.in[:0]; cap(s.in) > keptBuffer {
			s.in = make([]byte, 0, smallBuffer)
		}
	}
	for {
		n, err := s.reader.Read(s.room())
		if len(s.in) < cap(s.in) {
			s.in = s.in[:len(s.in)+n]
		} else {
			s.cut += int64(n)
		}
		if err == io.EOF {
			s.reader = nil
			if !s.heard.Load() {
				s.heard.Store(true)
				s.t.believe()
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// room returns where the next bytes of the message go.
func (s *session) room() []byte {
	n, limit := len(s.in), s.t.maxEventBytes
	if n < cap(s.in) {
		return s.in[n:cap(s.in)]
	}
	if n < limit {
		bigger := make([]byte, n, min(2*n, limit))
		copy(bigger, s.in)
		s.in = bigger
		return s.in[n:cap(s.in)]
	}
	if s.trash == nil {
		s.trash = make([]byte, smallBuffer)
	}
	return s.trash
}

// ack sends the acknowledgement of a receipt, unless that went out before.
func (s *session) ack(receipt string) error {
	s.writing.Lock()
	if !s.acks.enter(receipt, time.Now()) {
		s.writing.Unlock()
		return nil
	}
	s.out = appendAck(s.out[:0], receipt)
	err := s.ws.Write(forever, websocket.MessageText, s.out)
	s.writing.Unlock()
	// Outside of the lock, so that whoever acknowledges meanwhile has it go
	// out with the next write call.
	if err == nil {
		err = s.conn.Push()
	}
	if err != nil {
		return err
	}
	if !s.proven.Load() {
		s.proven.Store(true)
	}
	return nil
}

// confirmed takes a confirmation; false when nothing such was sent.
func (s *session) confirmed(receipt []byte) bool {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.acks.reply(receipt, time.Now())
}

// unconfirmed counts the acknowledgements that wait for a confirmation; zero
// when the service confirms none.
func (s *session) unconfirmed() int {
	s.writing.Lock()
	defer s.writing.Unlock()
	if !s.acks.confirms {
		return 0
	}
	s.acks.expire(time.Now())
	return s.acks.open
}

// end gives the session up at once. Nothing of it is left afterwards.
func (s *session) end() {
	s.over.Store(true)
	s.ws.CloseNow()
	s.leave()
}

func (s *session) leave() {
	close(s.done)
	s.pings.Wait()
	s.t.account(s)
}

const (
	lastReplies   = 2 * time.Second // for confirmations that are still out
	lastHandshake = 2 * time.Second // for the answer to a close frame
)

// finish ends the session cleanly, within what ctx allows.
func (s *session) finish(ctx context.Context) error {
	s.over.Store(true)
	err := s.conn.Flush()
	s.conn.Resume()
	if err == nil && s.unconfirmed() > 0 {
		s.drain(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lastHandshake, context.DeadlineExceeded)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { s.conn.Fail(context.Cause(ctx)) })
	defer stop()
	s.ws.Close(websocket.StatusNormalClosure, "")
	s.leave()
	return err
}

// drain reads on until all acknowledgements are confirmed or time is up.
// Events that come in meanwhile are not acknowledged and so come again.
func (s *session) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastReplies)
	defer cancel()
	stop := context.AfterFunc(ctx, s.conn.Interrupt)
	for s.unconfirmed() > 0 && s.read() == nil {
		s.t.open(s)
	}
	if !stop() {
		s.conn.Resume()
	}
}

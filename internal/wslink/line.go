package wslink

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/internal/wsconn"
)

const (
	smallBuffer = 16 << 10 // for a message, at first
	keptBuffer  = 1 << 20  // a larger one is not kept for the next message
	// LastHandshake bounds the wait for the answer to a close frame.
	LastHandshake = 2 * time.Second
)

// Forever is for coder/websocket, which pays for each call with a context that
// can be cancelled, and closes the connection when it is. Reads are
// interrupted, and writes bounded, by the wsconn.Conn below.
var Forever = context.Background()

// Line is one connection, on which a protocol builds its session by embedding
// it.
type Line struct {
	WS   *websocket.Conn
	Conn *wsconn.Conn
	// Key is what the service was shown, to keep it out of what is said of
	// the line's end.
	Key   string
	Since time.Time

	// Of the reading goroutine: the message that Read took, of which Cut
	// bytes were thrown away.
	Kind websocket.MessageType
	In   []byte
	Cut  int64

	limit   int
	trash   []byte
	reader  io.Reader // of a message that has not come in whole yet; nil between two
	believe func()    // called at the first message

	// doubted: another client held what this one wants, and the service may
	// tell only by a close code that it still does.
	doubted bool

	over   atomic.Bool // what came over it cannot be settled any longer
	long   atomic.Bool // a long message is coming in
	heard  atomic.Bool // a message came in
	proven atomic.Bool // it was of use

	done    chan struct{} // ends the keep-alive
	leaving sync.Once     // Close may meet a Do that finds the line broken
	pings   sync.WaitGroup
}

// line lets a Link find the Line in a session.
func (l *Line) line() *Line { return l }

// NewLine returns a line without a connection, for tests and fuzzing.
func NewLine(key string, limit int) *Line {
	return &Line{
		Key: key, Since: time.Now(), In: make([]byte, 0, smallBuffer),
		limit: limit, believe: func() {}, done: make(chan struct{}),
	}
}

// KeepAlive has ping called about every interval; see wsconn.Conn.KeepAlive.
func (l *Line) KeepAlive(interval, timeout time.Duration, ping func() error) {
	l.pings.Go(func() { l.Conn.KeepAlive(l.done, interval, timeout, ping) })
}

// Prove notes that the connection was of use, so that after its end the pauses
// start anew.
func (l *Line) Prove() {
	if !l.proven.Load() {
		l.proven.Store(true)
	}
}

// Long tells whether a message is coming in that may take a while. To
// interrupt the line then may cost it.
func (l *Line) Long() bool { return l.long.Load() }

// Over tells whether the line was given up.
func (l *Line) Over() bool { return l.over.Load() }

// Read reads a message into In, or what of it is within the limit. After
// wsconn.ErrInterrupted it may be called again; every other error ends the
// line.
func (l *Line) Read() error {
	if l.reader == nil {
		kind, r, err := l.WS.Reader(Forever)
		if err != nil {
			return err
		}
		l.reader, l.Kind, l.Cut = r, kind, 0
		if l.In = l.In[:0]; cap(l.In) > keptBuffer {
			l.In = make([]byte, 0, smallBuffer)
		}
	}
	for {
		n, err := l.reader.Read(l.room())
		if len(l.In) < cap(l.In) {
			l.In = l.In[:len(l.In)+n]
		} else {
			l.Cut += int64(n)
		}
		if len(l.In) >= smallBuffer && !l.long.Load() {
			l.long.Store(true)
		}
		if err == io.EOF {
			l.reader = nil
			if l.long.Load() {
				l.long.Store(false)
			}
			if !l.heard.Load() {
				l.heard.Store(true)
				l.believe()
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// room returns where the next bytes of the message go.
func (l *Line) room() []byte {
	n := len(l.In)
	if n < cap(l.In) {
		return l.In[n:cap(l.In)]
	}
	if n < l.limit {
		bigger := make([]byte, n, min(2*n, l.limit))
		copy(bigger, l.In)
		l.In = bigger
		return l.In[n:cap(l.In)]
	}
	if l.trash == nil {
		l.trash = make([]byte, smallBuffer)
	}
	return l.trash
}

// end gives the line up at once. Nothing of it is left afterwards.
func (l *Line) end() {
	l.over.Store(true)
	l.WS.CloseNow()
	l.leave()
}

func (l *Line) leave() {
	l.leaving.Do(func() { close(l.done) })
	l.pings.Wait()
}

// Finish sends what is held back, has last read what else it wants, and ends
// the line with the close code 1000, within what ctx allows. It returns why
// the held could not be sent.
func (l *Line) Finish(ctx context.Context, last func(context.Context)) error {
	l.over.Store(true)
	err := l.Conn.Flush()
	l.Conn.Resume()
	if err == nil && last != nil {
		last(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, LastHandshake, context.DeadlineExceeded)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Conn.Fail(context.Cause(ctx)) })
	defer stop()
	l.WS.Close(websocket.StatusNormalClosure, "")
	l.leave()
	return err
}

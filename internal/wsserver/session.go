package wsserver

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	// BatchBytes is about how much a Peer gives to be written at once.
	BatchBytes = 64 << 10
	// closeGrace is how long a writer that is stuck may hold up a close frame,
	// as long as the WebSocket library waits for one to be written.
	closeGrace = 5 * time.Second
)

// Peer is what a session is about: the service's side of one WebSocket. Its
// methods are called by the goroutines of Serve, with mu held but for Receive.
type Peer interface {
	// Begin is called before the client hears that it is connected: whoever has
	// dialed finds the server connected.
	Begin()
	// Receive takes in one message, whose bytes are valid until it returns.
	Receive(kind websocket.MessageType, data []byte)
	// Collect appends the frames that are due to buf, BatchBytes or a little
	// more. It stops at a Breakage, which happens once buf is written. next is
	// when there will be more to do without a Poke; zero is never.
	Collect(buf []byte) (_ []byte, first *Breakage, next time.Time)
	// Release is called once, when the session has ended for the server: when a
	// close frame leaves in either direction, or when the connection is found to
	// be gone. Begin has not been called when the upgrade failed.
	Release(End)
}

// End is how a session ended.
type End struct {
	// Code is that of the close frame, whoever sent it; CodeNone for one without,
	// CodeAbnormal when there was none.
	Code   int
	Clean  bool // there was a close frame
	Detail string
}

// Session is one WebSocket from its upgrade to its end. One goroutine reads
// (that of the HTTP request), one writes; nobody else does either, but for the
// answers of the WebSocket library to control frames.
type Session struct {
	peer      Peer
	mu        *sync.Mutex
	readLimit int64
	ws        *websocket.Conn // set, as wire, a moment after open
	wire      *wire
	wake      chan struct{} // has a token when the writer should look again
	gone      chan struct{} // closed when the reader has ended

	// Guarded by mu.
	open     bool       // between the upgrade and the release
	released bool       // Release was called
	early    []Breakage // that came before there was a wire
	deaf     bool       // a Breakage was decided on: what arrives now is too late
	ending   *Breakage  // how the server ends it; nil while it does not
	grace    *time.Timer
}

// NewSession returns a session that Serve begins. A message from the client of
// more than readLimit bytes is refused with 1009.
func NewSession(peer Peer, mu *sync.Mutex, readLimit int64) *Session {
	return &Session{
		peer: peer, mu: mu, readLimit: readLimit,
		wake: make(chan struct{}, 1), gone: make(chan struct{}),
	}
}

// Open tells whether the session is between its upgrade and its end. The caller
// holds mu.
func (s *Session) Open() bool { return s.open }

// Lasting tells whether the session is open and the server is not about to end
// it. The caller holds mu.
func (s *Session) Lasting() bool { return s.open && s.ending == nil }

// Deaf tells whether what arrives now is too late, since the connection is
// being broken. A test could not tell whether the server saw it; so it does
// not. The caller holds mu.
func (s *Session) Deaf() bool { return s.deaf }

// Muted tells whether the session was broken with Mute. The caller holds mu.
func (s *Session) Muted() bool { return s.wire != nil && s.wire.muted() }

// Silence is for how long no bytes have passed. The caller holds mu.
func (s *Session) Silence() time.Duration {
	if s.wire == nil {
		return 0
	}
	return time.Since(s.wire.lastPass())
}

// Poke has the writer look again at what there is to send.
func (s *Session) Poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Break ends or disturbs the session, if it is open. The caller holds mu.
func (s *Session) Break(how Breakage) {
	if !s.open {
		return
	}
	s.deaf = s.deaf || how.Kind != Freeze
	if s.ending == nil && how.Kind != Mute && how.Kind != Freeze {
		s.ending = &how
	}
	if s.wire == nil {
		s.early = append(s.early, how)
		return
	}
	switch how.Kind {
	case Mute:
		s.wire.silence()
	case Freeze:
		s.wire.freeze()
	case Drop, Reset:
		how.cut(s.wire)
	case Close:
		if s.grace == nil {
			wire := s.wire
			s.grace = time.AfterFunc(closeGrace, func() { _ = wire.Close() })
		}
		s.Poke()
	}
}

// Thaw ends a Freeze. The caller holds mu.
func (s *Session) Thaw() {
	s.early = slices.DeleteFunc(s.early, func(how Breakage) bool { return how.Kind == Freeze })
	if s.wire != nil {
		s.wire.unfreeze()
	}
	s.Poke()
}

// Serve upgrades a request and runs the session until it ends. When the upgrade
// fails the WebSocket library has answered, and the session is released with
// its error as the detail.
func (s *Session) Serve(h *Host, w http.ResponseWriter, r *http.Request, opts *websocket.AcceptOptions) {
	ws, wire, err := h.accept(w, r, opts, s.Begin, s.closing)
	defer h.release(wire)
	if err != nil {
		s.release(End{CodeAbnormal, false, err.Error()})
		return
	}
	s.mu.Lock()
	s.ws, s.wire = ws, wire
	for _, how := range s.early {
		s.Break(how)
	}
	s.mu.Unlock()

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.write()
	}()
	err = s.read()
	end := End{Code: int(websocket.CloseStatus(err)), Clean: true}
	if end.Code < 0 {
		end = End{Code: CodeAbnormal}
	}
	// After a close frame this comes too late to matter, unless the answer to
	// it could not be written.
	s.release(end)
	close(s.gone)
	_ = ws.CloseNow()
	<-ended

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.grace != nil {
		s.grace.Stop()
	}
}

// Begin opens the session, as Serve does once the upgrade is certain.
func (s *Session) Begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = true
	s.peer.Begin()
}

// closing is called before a close frame leaves, be it ours or the answer to
// the client's: from now on what the session held is free, so that a client
// that waited for the answer can dial again.
func (s *Session) closing(code int) {
	s.mu.Lock()
	detail := "closed by the client"
	if s.ending != nil {
		detail = "closed by the server"
	}
	s.mu.Unlock()
	s.release(End{code, true, detail})
}

func (s *Session) release(end End) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.released {
		return
	}
	s.open, s.released = false, true
	s.peer.Release(end)
}

// read takes in messages until the connection ends.
func (s *Session) read() error {
	s.ws.SetReadLimit(s.readLimit)
	var buf bytes.Buffer
	for {
		// No context: its end would close the connection in a way of its own.
		kind, r, err := s.ws.Reader(context.Background())
		if err != nil {
			return err
		}
		buf.Reset()
		if _, err := buf.ReadFrom(r); err != nil {
			return err
		}
		s.peer.Receive(kind, buf.Bytes())
	}
}

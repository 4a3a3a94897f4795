package pulsartest

import (
	"bytes"
	"context"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

const (
	// readLimit is the size of a message from the client above which it is
	// refused with 1009 (webSocketMaxTextFrameSize).
	readLimit = 1 << 20
	// batchBytes is about how much is written at once.
	batchBytes = 64 << 10
	// closeGrace is how long a writer that is stuck may hold up a close frame,
	// as long as the WebSocket library waits for one to be written.
	closeGrace = 5 * time.Second
)

// session is one WebSocket, with the consumer, reader or producer inside of the
// proxy that it stands for. One goroutine reads (that of the HTTP request), one
// writes; nobody else does either, but for the answers of the WebSocket library
// to control frames.
type session struct {
	s      *Server
	n      int
	target target
	params params
	ws     *websocket.Conn // set, as wire, a moment after open
	wire   *wire
	wake   chan struct{} // has a token when the writer should look again
	gone   chan struct{} // closed when the reader has ended

	// Guarded by Server.mu.
	open     bool // between the upgrade and the release
	released bool
	began    time.Time
	early    []Breakage // that came before there was a wire
	ending   *Breakage  // how the server ends it; nil while it does not
	deaf     bool       // a Breakage was decided on: what arrives now is too late
	out      [][]byte   // frames that go ahead of messages
	idle     *time.Timer
	pinging  *time.Timer
	grace    *time.Timer

	produces *topic // of a producer

	members      []*member
	multi        bool // several topics or partitions are behind it
	split        bool // partitions are
	unsubscribed bool
	read         bool // of a reader: it was sent something
	window
	delivered map[string]delivery // by the id's text
	nacks     dues
	overdue   dues // of ackTimeoutMillis
}

// note adds to a record which session it is about.
func (c *session) note(r Record) Record {
	r.Conn = c.n
	if r.Topic == "" {
		r.Topic = c.target.topic
	}
	if r.Subscription == "" {
		r.Subscription = c.target.subscription
	}
	return r
}

func (c *session) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// serve runs the session until it ends.
func (c *session) serve(ws *websocket.Conn, wire *wire) {
	s := c.s
	s.mu.Lock()
	c.ws, c.wire = ws, wire
	for _, how := range c.early {
		c.end(how)
	}
	if s.conf.ping > 0 && c.open {
		c.pinging = time.AfterFunc(s.conf.ping, c.ping)
	}
	s.mu.Unlock()
	c.watch()

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.write()
	}()
	err := c.listen()
	code := int(websocket.CloseStatus(err))
	if code < 0 {
		code = codeAbnormal
	}
	// After a close frame this comes too late to matter, unless the answer to
	// it could not be written.
	c.release(code, "")
	close(c.gone)
	_ = ws.CloseNow()
	<-ended
}

// listen takes in messages until the connection ends.
func (c *session) listen() error {
	c.ws.SetReadLimit(readLimit)
	var buf bytes.Buffer
	for {
		// No context: its end would close the connection in a way of its own.
		kind, r, err := c.ws.Reader(context.Background())
		if err != nil {
			return err
		}
		buf.Reset()
		if _, err := buf.ReadFrom(r); err != nil {
			return err
		}
		c.receive(kind, buf.Bytes())
	}
}

// receive takes in one message.
func (c *session) receive(kind websocket.MessageType, data []byte) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !c.open || c.deaf || c.ending != nil:
		if c.open {
			s.record(c.note(Record{Op: OpCommandLost}))
		}
	case kind != websocket.MessageText:
		s.record(c.note(Record{Op: OpBadCommand, Detail: "a binary message"}))
	case !utf8.Valid(data):
		c.bad("invalid UTF-8")
		c.end(Close(int(websocket.StatusInvalidFramePayloadData), "invalid UTF-8"))
	case c.produces != nil:
		c.publish(data)
	default:
		c.command(data)
	}
}

func (c *session) bad(why string) {
	c.s.record(c.note(Record{Op: OpBadCommand, Detail: why}))
}

// throw does what an exception in the service's handler does: the session is
// closed with 1011 and the exception's text.
func (c *session) throw(text string) {
	c.bad(text)
	c.end(Close(int(websocket.StatusInternalError), text))
}

// unreadable does what the service does when it wants to close a session with
// one of its own codes, which the web server refuses.
func (c *session) unreadable(text string) {
	c.bad(text)
	if !c.s.conf.keepOnBad {
		c.end(Drop())
	}
}

// closing is called before a close frame leaves, be it ours or the answer to
// the client's: from now on the subscription is free, so that a client that
// waited for the answer can dial again.
func (c *session) closing(code int) {
	c.s.mu.Lock()
	detail := "closed by the client"
	if c.ending != nil {
		detail = "closed by the server"
	}
	c.s.mu.Unlock()
	c.release(code, detail)
}

// release ends the inner consumer, reader or producer, once.
func (c *session) release(code int, detail string) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.released {
		return
	}
	c.open, c.released = false, true
	for _, timer := range []*time.Timer{c.idle, c.pinging, c.nacks.timer, c.overdue.timer} {
		if timer != nil {
			timer.Stop()
		}
	}
	if c.produces != nil {
		delete(c.produces.producers, c.params.name)
	}
	c.leave()
	c.out, c.queue, c.delivered = nil, fifo[*hold]{}, nil
	delete(s.sessions, c)
	op := OpDisconnect
	if c.began.IsZero() {
		op = OpRefuse // by the WebSocket library
	}
	s.record(c.note(Record{Op: op, Code: code, Detail: detail}))
}

// leave takes the session out of its subscriptions.
func (c *session) leave() {
	members := c.members
	c.members = nil
	for _, m := range members {
		m.sub.leave(m)
	}
}

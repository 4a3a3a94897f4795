package pulsartest

import (
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// readLimit is the size of a message from the client above which it is refused
// with 1009 (webSocketMaxTextFrameSize).
const readLimit = 1 << 20

// session is one WebSocket, with the consumer, reader or producer inside of the
// proxy that it stands for.
type session struct {
	*wsserver.Session
	s      *Server
	n      int
	target target
	params params

	// Guarded by Server.mu.
	began   time.Time // zero until the upgrade
	out     [][]byte  // frames that go ahead of messages
	idle    *time.Timer
	pinging *time.Timer

	produces *topic // of a producer
	pile     pile   // of a producer that makes batches

	members      []*member
	multi        bool // several topics or partitions are behind it
	split        bool // partitions are
	unsubscribed bool
	read         bool      // of a reader: it was sent something
	after        messageID // of a reader: the message that it begins behind
	window
	delivered map[string]delivery // by the id's text
	nacks     dues
	overdue   dues // of ackTimeoutMillis
}

func newSession(s *Server, t target) *session {
	c := &session{s: s, target: t, delivered: map[string]delivery{}}
	c.Session = wsserver.NewSession(c, &s.mu, readLimit)
	return c
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

// Begin starts the inner consumer or reader.
func (c *session) Begin() {
	c.began = time.Now()
	c.s.sessions[c] = struct{}{}
	c.s.record(c.note(Record{Op: OpConnect, Detail: string(c.target.end)}))
	if c.target.end != producerEnd && !c.pull {
		c.ask(1)
	}
	if every := c.s.conf.ping; every > 0 {
		c.pinging = time.AfterFunc(every, c.ping)
	}
	if limit := c.s.conf.idle; limit > 0 {
		c.idle = time.AfterFunc(limit, c.watch)
	}
}

// Receive takes in one message.
func (c *session) Receive(kind websocket.MessageType, data []byte) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !c.Open() || c.Deaf():
		if c.Open() {
			s.record(c.note(Record{Op: OpCommandLost}))
		}
	case kind != websocket.MessageText:
		s.record(c.note(Record{Op: OpBadCommand, Detail: "a binary message"}))
	case !utf8.Valid(data):
		c.bad("invalid UTF-8")
		c.Break(Close(int(websocket.StatusInvalidFramePayloadData), "invalid UTF-8").how)
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
	c.Break(Close(int(websocket.StatusInternalError), text).how)
}

// unreadable does what the service does when it wants to close a session with
// one of its own codes, which the web server refuses.
func (c *session) unreadable(text string) {
	c.bad(text)
	if !c.s.conf.keepOnBad {
		c.Break(Drop().how)
	}
}

// Release ends the inner consumer, reader or producer.
func (c *session) Release(end wsserver.End) {
	s := c.s
	for _, timer := range []*time.Timer{c.idle, c.pinging, c.nacks.timer, c.overdue.timer} {
		if timer != nil {
			timer.Stop()
		}
	}
	if c.produces != nil {
		delete(c.produces.producers, c.params.name)
	}
	c.leave()
	c.out, c.queue, c.delivered = nil, wsserver.FIFO[piece]{}, nil
	delete(s.sessions, c)
	op := OpDisconnect
	if c.began.IsZero() {
		op = OpRefuse // by the WebSocket library
	}
	s.record(c.note(Record{Op: op, Code: end.Code, Detail: end.Detail}))
}

// leave takes the session out of its subscriptions.
func (c *session) leave() {
	members := c.members
	c.members = nil
	for _, m := range members {
		m.sub.leave(m)
	}
}

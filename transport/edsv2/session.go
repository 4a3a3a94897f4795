package edsv2

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/internal/wslink"
)

// session is one connection. A receipt belongs to the session that brought it.
type session struct {
	*wslink.Line
	t *Transport

	// Of the goroutine in Receive.
	frame frame
	text  []byte

	writing sync.Mutex // guards what follows
	acks    ledger
	out     []byte
}

func (t *Transport) newSession(line *wslink.Line) *session {
	s := &session{Line: line, t: t, acks: newLedger()}
	s.KeepAlive(t.PingInterval, t.PongTimeout, s.pinger())
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
		return s.WS.Write(wslink.Forever, websocket.MessageText, s.out)
	}
}

// next reads until there is a delivery, and leaves it in t.got.
func (s *session) next() error {
	for {
		if err := s.Read(); err != nil {
			return err
		}
		if s.t.got = s.t.open(s); s.t.got != nil {
			return nil
		}
	}
}

// ack sends the acknowledgement of a receipt, unless that went out before.
func (s *session) ack(receipt string) error {
	s.writing.Lock()
	if !s.acks.enter(receipt, time.Now()) {
		s.writing.Unlock()
		return nil
	}
	s.out = appendAck(s.out[:0], receipt)
	err := s.WS.Write(wslink.Forever, websocket.MessageText, s.out)
	s.writing.Unlock()
	// Outside of the lock, so that whoever acknowledges meanwhile has it go
	// out with the next write call.
	if err == nil {
		err = s.Conn.Push()
	}
	if err != nil {
		return err
	}
	s.Prove()
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

// lastReplies bounds the wait for confirmations that are still out.
const lastReplies = 2 * time.Second

// drain reads on until all acknowledgements are confirmed or time is up.
// Events that come in meanwhile are not acknowledged and so come again.
func (s *session) drain(ctx context.Context) {
	if s.unconfirmed() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lastReplies)
	defer cancel()
	stop := context.AfterFunc(ctx, s.Conn.Interrupt)
	for s.unconfirmed() > 0 && s.Read() == nil {
		s.t.open(s)
	}
	if !stop() {
		s.Conn.Resume()
	}
}

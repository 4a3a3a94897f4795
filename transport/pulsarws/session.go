package pulsarws

import (
	"strconv"
	"sync"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/internal/wslink"
	"github.com/go-json-experiment/json/jsontext"
)

// session is one connection of a Consumer or a Reader. A delivery is settled
// on the session that brought it.
type session struct {
	*wslink.Line

	// Of the goroutine in Receive.
	envelope     envelope
	unanswerable int   // messages to which there is no answer, for want of an id
	useless      error // why a connection is of no use that was only made to see whether it can be

	writing sync.Mutex // guards what follows
	out     []byte
	pull    int // permits that are granted at once; 0 in push mode
	owed    int // permits to be granted for what was settled
}

func (s *settings) newSession(line *wslink.Line) *session {
	c := &session{Line: line}
	c.KeepAlive(s.PingInterval, s.PongTimeout, c.ping)
	return c
}

// ping lies between two messages as a whole, because of the lock.
func (s *session) ping() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.Conn.WritePing()
}

// command is what a client may tell the service about a message.
type command string

const (
	ack  command = ""
	nack command = `"type":"negativeAcknowledge",`
)

// answer sends a command about a message, or has it sent together with others
// within a millisecond.
func (s *session) answer(c command, id string) error {
	s.writing.Lock()
	s.out = append(append(s.out[:0], '{'), c...)
	s.out = append(s.out, `"messageId":`...)
	s.out, _ = jsontext.AppendQuote(s.out, id) // it was checked when it came
	s.out = append(s.out, '}')
	err := s.WS.Write(wslink.Forever, websocket.MessageText, s.out)
	if err == nil && s.pull > 0 {
		if s.owed++; s.owed >= s.pull {
			err = s.permit(s.owed)
			s.owed = 0
		}
	}
	s.writing.Unlock()
	// Outside of the lock, so that whoever settles meanwhile has it go out
	// with the next write call.
	if err == nil {
		err = s.Conn.Push()
	}
	return err
}

// permit asks for n more messages. The caller holds the lock.
func (s *session) permit(n int) error {
	s.out = append(s.out[:0], `{"type":"permit","permitMessages":`...)
	s.out = append(strconv.AppendInt(s.out, int64(n), 10), '}')
	return s.WS.Write(wslink.Forever, websocket.MessageText, s.out)
}

// write sends one more message, or has it sent together with others.
func (s *session) write(text []byte) error {
	s.writing.Lock()
	err := s.WS.Write(wslink.Forever, websocket.MessageText, text)
	s.writing.Unlock()
	if err == nil {
		err = s.Conn.Push()
	}
	return err
}

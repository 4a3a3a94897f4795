package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// patience is how long the server waits for an acknowledgement before it says
// that the client stalled.
const patience = 30 * time.Second

// session is a connection to the client that is measured.
type session struct {
	spec   Spec
	speaks *protocol
	conn   net.Conn
	frames frames
	event  []byte // a whole event frame, header included
	head   int    // length of its header

	// At a fixed rate, the time between two events, and before the first.
	interval, offset time.Duration

	// mu guards what follows: at a fixed rate one goroutine sends and
	// another reads.
	mu       sync.Mutex
	out      []byte
	sent     []time.Duration // by event: when it was written, since epoch
	latency  []time.Duration // by event: from there to its acknowledgement; 0 when that is missing
	acked    int
	unmarked int // events below this have their time in sent
	epoch    time.Time
}

// newSession is for one of so many connections.
func newSession(conn net.Conn, spec Spec, of int) (*session, error) {
	speaks := spec.protocol()
	text, err := speaks.newEvent(spec.Size, rand.Uint32())
	if err != nil {
		return nil, err
	}
	s := &session{
		spec: spec, speaks: speaks, conn: conn, epoch: time.Now(),
		frames:  frames{conn: conn, buf: make([]byte, max(256<<10/of, 16<<10))},
		out:     make([]byte, 0, 2<<20/of),
		sent:    make([]time.Duration, 0, 1<<20/of),
		latency: make([]time.Duration, 0, 1<<20/of),
	}
	s.event = appendHeader(nil, opText, len(text))
	s.head = len(s.event)
	s.event = append(s.event, text...)
	return s, nil
}

func (s *session) addEvent() {
	n := len(s.sent)
	at := len(s.out)
	s.out = append(s.out, s.event...)
	s.speaks.stamp(s.out[at+s.head:], n)
	s.sent = append(s.sent, 0)
	s.latency = append(s.latency, 0)
}

// flush writes what is due in one call.
func (s *session) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	now := time.Since(s.epoch)
	for ; s.unmarked < len(s.sent); s.unmarked++ {
		s.sent[s.unmarked] = now
	}
	_, err := s.conn.Write(s.out)
	s.out = s.out[:0]
	return err
}

// read waits for frames and takes all that have come in. It returns when they
// came.
func (s *session) read() (time.Time, error) {
	if err := s.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return time.Time{}, err
	}
	err := s.frames.fill()
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errors.New("the client stalled")
		}
		return now, fmt.Errorf("%d of %d events acknowledged: %w", s.acked, len(s.sent), err)
	}
	for {
		op, payload, ok, err := s.frames.next()
		if err != nil || !ok {
			return now, err
		}
		switch op {
		case opText:
			if err := s.text(payload, now.Sub(s.epoch)); err != nil {
				return now, err
			}
		case opPing:
			s.out = appendFrame(s.out, opPong, string(payload))
		case opClose:
			s.out = appendFrame(s.out, opClose, string(payload))
			return now, io.EOF
		case opPong:
		default:
			return now, errFragmented
		}
	}
}

// text takes an acknowledgement or a ping.
func (s *session) text(message []byte, now time.Duration) error {
	p := s.speaks
	receipt := p.receipt(message)
	if receipt == nil {
		var (
			answer string
			err    error
		)
		if receipt, answer, err = p.read(message); err != nil {
			return err
		}
		if answer != "" {
			s.out = appendFrame(s.out, opText, answer)
			return nil
		}
	}
	n, ok := p.number(receipt)
	switch {
	case !ok || n >= len(s.sent):
		return fmt.Errorf("acknowledgement of a receipt that was never sent: %q", receipt)
	case s.latency[n] != 0:
		return fmt.Errorf("receipt %q was acknowledged twice", receipt)
	}
	s.latency[n] = max(now-s.sent[n], 1)
	s.acked++
	if p.replyPrefix != "" && !s.spec.NoReply {
		s.out = appendHeader(s.out, opText, len(p.replyPrefix)+len(receipt)+len(p.ackSuffix))
		s.out = append(append(append(s.out, p.replyPrefix...), receipt...), p.ackSuffix...)
	}
	return nil
}

// drain serves the connection until the client ends it. An acknowledgement
// that still comes would be the second of its event, and an error.
func (s *session) drain() error {
	for {
		_, err := s.read()
		if ferr := s.flush(); ferr != nil && err == nil {
			err = nil
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), strings.Contains(err.Error(), "connection reset"):
			return nil
		default:
			return err
		}
	}
}

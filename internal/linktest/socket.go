package linktest

import (
	"net"
	"sync"
)

// socket gives the service's side of a pipe what a socket has: room for what
// the client has not read yet.
type socket struct {
	net.Conn
	mu     sync.Mutex
	wake   sync.Cond
	out    []byte
	closed bool
	err    error
}

func newSocket(c net.Conn) *socket {
	s := &socket{Conn: c}
	s.wake.L = &s.mu
	go s.pump()
	return s
}

func (s *socket) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	if s.err != nil {
		return 0, s.err
	}
	s.out = append(s.out, b...)
	s.wake.Signal()
	return len(b), nil
}

// Close has what was written go out first.
func (s *socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.wake.Signal()
	}
	return nil
}

func (s *socket) pump() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for len(s.out) == 0 && !s.closed && s.err == nil {
			s.wake.Wait()
		}
		if len(s.out) == 0 || s.err != nil {
			s.Conn.Close()
			return
		}
		b := s.out
		s.out = nil
		s.mu.Unlock()
		_, err := s.Conn.Write(b)
		s.mu.Lock()
		if err != nil {
			s.err = err
		}
	}
}

package edstest

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
)

// Start listens on a free port of 127.0.0.1; URL names it.
func (s *Server) Start() error { return s.Listen("127.0.0.1:0") }

// Listen listens on the TCP address, as net.Listen takes it. It may be called
// more than once; URL names the last.
func (s *Server) Listen(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("edstest: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		_ = listener.Close()
		return ErrClosed
	}
	s.address = listener.Addr()
	s.serve(listener)
	return nil
}

// serve answers requests that come by listener. The caller holds mu.
func (s *Server) serve(listener net.Listener) {
	server := &http.Server{
		Handler:  s,
		ErrorLog: log.New(io.Discard, "", 0), // of faults, mostly our own
		// Its Close does not wait for the goroutines of connections, ours does.
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew: // on the goroutine of Serve, which wg counts
				s.wg.Add(1)
			case http.StateClosed, http.StateHijacked: // each comes last
				s.wg.Done()
			default:
			}
		},
	}
	s.servers = append(s.servers, server)
	s.wg.Go(func() { _ = server.Serve(listener) })
}

// URL is where the WebSocket is, without a queue, such as
// "ws://127.0.0.1:34567". Before Start it is "ws://127.0.0.1": DialContext
// connects to the server whatever the address.
func (s *Server) URL() string { return "ws://" + s.host() }

// PublishURL is where events are published with POST.
func (s *Server) PublishURL(queue string) string {
	return "http://" + s.host() + "/queues/" + escape(queue) + "/events"
}

func (s *Server) host() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.address == nil {
		return "127.0.0.1"
	}
	return s.address.String()
}

// DialContext connects to the server through memory, whatever the address. It
// has the signature of http.Transport.DialContext and needs no Start. The
// connection is a net.Pipe, without any buffer: a write waits until the other
// side reads.
func (s *Server) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	s.mu.Lock()
	if s.shut {
		s.mu.Unlock()
		return nil, ErrClosed
	}
	if s.memory == nil {
		s.memory = &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		s.serve(s.memory)
	}
	listener := s.memory
	s.mu.Unlock()
	return listener.dial(ctx)
}

// memoryListener is a net.Listener whose connections are pipes.
type memoryListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *memoryListener) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- ours:
		return theirs, nil
	case <-l.closed:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return memoryAddr{} }

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "127.0.0.1" }

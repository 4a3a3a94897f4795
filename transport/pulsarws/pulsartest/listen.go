package pulsartest

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
		return fmt.Errorf("pulsartest: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		_ = listener.Close()
		return ErrClosed
	}
	s.address = listener.Addr().String()
	s.serve(listener)
	return nil
}

// serve answers requests that come by listener. The caller holds mu.
func (s *Server) serve(listener net.Listener) {
	server := &http.Server{
		Handler:  s,
		ErrorLog: log.New(io.Discard, "", 0), // of faults, mostly our own
		// Closing a http.Server does not wait for the goroutines of its
		// connections; Close of this one does.
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

// URL is where the service is, without a path, such as "ws://127.0.0.1:34567".
// Before Start it is "ws://127.0.0.1": DialContext connects to the server
// whatever the address.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.address == "" {
		return "ws://127.0.0.1"
	}
	return "ws://" + s.address
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
		s.memory = &pipes{accept: make(chan net.Conn), closed: make(chan struct{})}
		s.serve(s.memory)
	}
	memory := s.memory
	s.mu.Unlock()
	return memory.dial(ctx)
}

// pipes is a net.Listener whose connections are pipes.
type pipes struct {
	accept chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.accept <- far:
		return near, nil
	case <-p.closed:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Accept implements net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.accept:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// Addr implements net.Listener.
func (p *pipes) Addr() net.Addr { return memoryAddr{} }

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "127.0.0.1" }

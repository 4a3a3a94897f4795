package pulsartest

import (
	"context"
	"net"
)

// Start listens on a free port of 127.0.0.1; URL names it.
func (s *Server) Start() error { return s.Listen("127.0.0.1:0") }

// Listen listens on the TCP address, as net.Listen takes it. It may be called
// more than once; URL names the last.
func (s *Server) Listen(address string) error { return s.host.Listen(address) }

// URL is where the service is, without a path, such as "ws://127.0.0.1:34567".
// Before Start it is "ws://127.0.0.1": DialContext connects to the server
// whatever the address.
func (s *Server) URL() string { return "ws://" + s.host.Address() }

// DialContext connects to the server through memory, whatever the address. It
// has the signature of http.Transport.DialContext and needs no Start. The
// connection is a net.Pipe, without any buffer: a write waits until the other
// side reads.
func (s *Server) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return s.host.Dial(ctx)
}

package sim

import (
	"context"
	"net"
)

// side is what the processes of a world talk to. What it does goes to the
// world's log without being asked.
type side interface {
	url() string
	dial(ctx context.Context, network, address string) (net.Conn, error)
	// open waits until events can be published.
	open(ctx context.Context) error
	publish(events []event) error
	// about says what a text message on the wire is about.
	about(text []byte) (f Frame, ok bool)
	// settled waits until there is nothing left to settle.
	settled(ctx context.Context) error
	// ended is told that a process has ended properly.
	ended(p *Process)
	close()
}

// event is what is published.
type event struct {
	id, kind string
	key      string // "" for none
	payload  []byte
}

package wsserver

import "fmt"

// Breakage is a way to disturb a connection as a whole.
type Breakage struct {
	Kind   BreakKind
	Code   int    // of Close
	Reason string // of Close
}

// BreakKind is what a Breakage does.
type BreakKind int

const (
	// Drop ends the TCP connection without a close frame.
	Drop BreakKind = iota
	// Reset is as Drop, but a client over TCP sees a reset.
	Reset
	// Close sends a close frame and ends the connection once the client has
	// answered.
	Close
	// Mute makes the connection half open: nothing passes, and nobody is told.
	Mute
	// Freeze holds up reading and writing until a thaw. It alone loses nothing.
	Freeze
)

// String names the breakage for a person.
func (b Breakage) String() string {
	switch b.Kind {
	case Drop:
		return "drop"
	case Reset:
		return "reset"
	case Close:
		return fmt.Sprintf("close %d", b.Code)
	case Mute:
		return "mute"
	}
	return "freeze"
}

// cut ends a connection below the WebSocket.
func (b Breakage) cut(w *wire) {
	if b.Kind == Reset {
		w.reset()
		return
	}
	_ = w.Close()
}

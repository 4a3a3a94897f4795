package pulsartest

import (
	"fmt"
	"net"
	"time"
)

// Breakage is a way to disturb a connection as a whole. It can be done now
// (Break), at a dial (OnDial), instead of a message that the server is about to
// deliver (OnDeliver), or instead of seeing a command that arrived (OnCommand).
type Breakage struct {
	kind   breakKind
	code   int
	reason string
}

type breakKind int

const (
	dropping breakKind = iota
	resetting
	closing
	muting
	freezing
)

// Drop ends the TCP connection without a close frame. At a dial it does so
// before any answer.
func Drop() Breakage { return Breakage{kind: dropping} }

// Reset is as Drop, but a client over TCP sees a reset instead of the end.
func Reset() Breakage { return Breakage{kind: resetting} }

// Close sends a close frame and ends the connection once the client answered,
// 5 s later at the latest. Code 1005 stands for a frame without a code and
// reason; codes that RFC 6455 forbids on the wire become 1011. A reason is cut
// to the 123 bytes that fit. At a dial the upgrade succeeds first.
func Close(code int, reason string) Breakage {
	return Breakage{closing, code, reason[:min(len(reason), 123)]}
}

// Mute makes the connection half open: the server neither sees nor says
// anything any more, and nobody is told. What the client writes vanishes. For
// the server the connection lives on, with its consumer, until the idle
// timeout. At a dial the answer never comes.
func Mute() Breakage { return Breakage{kind: muting} }

// Freeze stops the server from reading and writing until Thaw. What the client
// writes fills the buffers of the network, and then blocks. At OnDeliver the
// message is not lost but late. At a dial it is the same as Mute.
func Freeze() Breakage { return Breakage{kind: freezing} }

// String names the breakage, as the history does.
func (b Breakage) String() string {
	switch b.kind {
	case dropping:
		return "drop"
	case resetting:
		return "reset"
	case closing:
		return fmt.Sprintf("close %d", b.code)
	case muting:
		return "mute"
	}
	return "freeze"
}

// cut ends the connection below the WebSocket.
func (b Breakage) cut(w *wire) {
	if tcp, ok := w.Conn.(*net.TCPConn); ok && b.kind == resetting {
		_ = tcp.SetLinger(0)
	}
	_ = w.Close()
}

func (b Breakage) dial(d *dialing)      { d.first = &b }
func (b Breakage) deliver(o *outgoing)  { o.first = &b }
func (b Breakage) command(in *incoming) { in.first = &b }

// Break disturbs every live connection now and returns how many there were.
func (s *Server) Break(how Breakage) int {
	return s.BreakWhen(how, func(Moment) bool { return true })
}

// BreakWhen disturbs the live connections for which fits returns true; of its
// Moment Conn, Topic and Subscription are set. It returns how many there were.
func (s *Server) BreakWhen(how Breakage, fits func(Moment) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.live() {
		if fits(Moment{Conn: c.n, Topic: c.target.topic, Subscription: c.target.subscription}) {
			s.record(c.note(Record{Op: OpFault, Detail: how.String()}))
			c.end(how)
			n++
		}
	}
	return n
}

// Thaw ends every Freeze.
func (s *Server) Thaw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		c.early = nil
		if c.wire != nil {
			c.wire.unfreeze()
		}
		c.poke()
	}
}

// end ends or disturbs the session. The caller holds mu.
func (c *session) end(how Breakage) {
	if !c.open {
		return
	}
	if c.wire == nil {
		c.early = append(c.early, how)
		return
	}
	c.deaf = c.deaf || how.kind != freezing
	if c.ending == nil && (how.kind == dropping || how.kind == resetting || how.kind == closing) {
		c.ending = &how
	}
	switch how.kind {
	case muting:
		c.wire.silence()
	case freezing:
		c.wire.freeze()
	case resetting, dropping:
		how.cut(c.wire)
	case closing:
		if c.grace == nil {
			wire := c.wire
			c.grace = time.AfterFunc(closeGrace, func() { _ = wire.Close() })
		}
		c.poke()
	}
}

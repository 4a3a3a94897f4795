package pulsartest

import "github.com/eventdelivery/eds-go/internal/wsserver"

// Breakage is a way to disturb a connection as a whole. It can be done now
// (Break), at a dial (OnDial), instead of a message that the server is about to
// deliver (OnDeliver), or instead of seeing a command that arrived (OnCommand).
type Breakage struct{ how wsserver.Breakage }

// Drop ends the TCP connection without a close frame. At a dial it does so
// before any answer.
func Drop() Breakage { return breakage(wsserver.Drop) }

// Reset is as Drop, but a client over TCP sees a reset instead of the end.
func Reset() Breakage { return breakage(wsserver.Reset) }

// Close sends a close frame and ends the connection once the client answered,
// 5 s later at the latest. Code 1005 stands for a frame without a code and
// reason; codes that RFC 6455 forbids on the wire become 1011. A reason is cut
// to the 123 bytes that fit. At a dial the upgrade succeeds first.
func Close(code int, reason string) Breakage {
	return Breakage{wsserver.Breakage{Kind: wsserver.Close, Code: code, Reason: reason[:min(len(reason), 123)]}}
}

// Mute makes the connection half open: the server neither sees nor says
// anything any more, and nobody is told. What the client writes vanishes. For
// the server the connection lives on, with its consumer, until the idle
// timeout. At a dial the answer never comes.
func Mute() Breakage { return breakage(wsserver.Mute) }

// Freeze stops the server from reading and writing until Thaw. What the client
// writes fills the buffers of the network, and then blocks. At OnDeliver the
// message is not lost but late. At a dial it is the same as Mute.
func Freeze() Breakage { return breakage(wsserver.Freeze) }

func breakage(kind wsserver.BreakKind) Breakage { return Breakage{wsserver.Breakage{Kind: kind}} }

// String names the breakage, as the history does.
func (b Breakage) String() string { return b.how.String() }

func (b Breakage) dial(d *wsserver.Dial) { d.First = &b.how }
func (b Breakage) deliver(o *outgoing)   { o.first = &b.how }
func (b Breakage) command(in *incoming)  { in.first = &b.how }

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
			c.Break(how.how)
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
		c.Thaw()
	}
}

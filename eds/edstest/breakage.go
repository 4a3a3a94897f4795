package edstest

import "github.com/eventdelivery/eds-go/internal/wsserver"

// Breakage is a way to disturb a connection as a whole. It can be done now
// (Break), at a dial (OnDial), instead of a frame that the server is about to
// send (OnSend), or instead of seeing one that arrived (OnReceive).
type Breakage struct{ how wsserver.Breakage }

// Drop ends the TCP connection without a close frame. At a dial it does so
// before any answer.
func Drop() Breakage { return breakage(wsserver.Drop) }

// Reset is as Drop, but a client over TCP sees a reset instead of the end.
func Reset() Breakage { return breakage(wsserver.Reset) }

// Close sends a close frame and ends the connection once the client answered,
// 5 s later at the latest. Code 1005 stands for a frame without a code and
// reason. At a dial the upgrade succeeds first. Codes that RFC 6455 forbids on
// the wire become 1011.
func Close(code int, reason string) Breakage {
	return Breakage{wsserver.Breakage{Kind: wsserver.Close, Code: code, Reason: reason}}
}

// Mute makes the connection half open: the server neither sees nor says
// anything any more, and nobody is told. What the client writes vanishes. For
// the server the connection lives on, so it holds the queue until the idle
// timeout. At a dial the answer never comes.
func Mute() Breakage { return breakage(wsserver.Mute) }

// Freeze stops the server from reading and writing until Thaw. What the client
// writes fills the buffers of the network, and then blocks. At OnSend and
// OnReceive the frame is not lost but late. At a dial it is the same as Mute.
func Freeze() Breakage { return breakage(wsserver.Freeze) }

func breakage(kind wsserver.BreakKind) Breakage { return Breakage{wsserver.Breakage{Kind: kind}} }

// String names the breakage, as the history does.
func (b Breakage) String() string { return b.how.String() }

func (b Breakage) dial(d *wsserver.Dial) { d.First = &b.how }
func (b Breakage) send(o *outgoing)      { o.first = &b.how }
func (b Breakage) receive(in *arrival)   { in.first = &b.how }

// Break disturbs every live connection now and returns how many there were.
func (s *Server) Break(how Breakage) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, name := range s.names {
		if c := s.queues[name].live(); c != nil {
			c.disturb(how)
			n++
		}
	}
	return n
}

// disturb ends or disturbs the connection at the request of a test. The caller
// holds mu.
func (c *connection) disturb(how Breakage) {
	c.s.record(Record{Op: OpFault, Queue: c.q.name, Conn: c.n, Detail: how.String()})
	c.Break(how.how)
}

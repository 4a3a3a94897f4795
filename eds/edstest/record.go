package edstest

import (
	"fmt"
	"strings"
	"time"
)

// Op is what the server did or saw.
type Op string

const (
	// OpPublish: an event was taken into its queue.
	OpPublish Op = "publish"
	// OpRefuse: a dial was refused with the HTTP status, or the close code, Code.
	OpRefuse Op = "refuse"
	// OpConnect: a connection took its queue; Detail is the client's address, as
	// http.Request.RemoteAddr has it.
	OpConnect Op = "connect"
	// OpDisconnect: a connection gave its queue back. Code is that of the close
	// frame, whoever sent it; 1005 for one without, 1006 when there was none.
	OpDisconnect Op = "disconnect"
	// OpDeliver: an event was given to a connection, for the first time;
	// Attempt counts. It is recorded before the frame is written, so it comes
	// before whatever the client makes of it.
	OpDeliver Op = "deliver"
	// OpRedeliver: like OpDeliver, for an event that was delivered before.
	OpRedeliver Op = "redeliver"
	// OpAck: an acknowledgement deleted its event.
	OpAck Op = "ack"
	// OpAckStale: an acknowledgement with a receipt that is no longer good
	// deleted nothing.
	OpAckStale Op = "ack-stale"
	// OpAckDuplicate: an acknowledgement of an event that is deleted already.
	OpAckDuplicate Op = "ack-duplicate"
	// OpAckUnknown: an acknowledgement with a receipt that was never given out.
	OpAckUnknown Op = "ack-unknown"
	// OpAckLost: an acknowledgement that arrived and had no effect, because of a
	// Fault, or because the server was ending the connection already.
	OpAckLost Op = "ack-lost"
	// OpReply: ACK_EVENT_REPLY was sent.
	OpReply Op = "reply"
	// OpPing: PING was read.
	OpPing Op = "ping"
	// OpPong: PONG was sent.
	OpPong Op = "pong"
	// OpBadFrame: a message of the client was passed over; Detail says why.
	OpBadFrame Op = "bad-frame"
	// OpFault: a Fault or a Break happened; Detail names it.
	OpFault Op = "fault"
)

// Record is one line of the server's history. Every acknowledgement that
// the server reads has exactly one Record, of one of the five OpAck kinds; what
// a muted connection swallows has none.
type Record struct {
	Seq     int // 1 for the first
	Time    time.Time
	Op      Op
	Queue   string
	EventID string
	Receipt string
	Conn    int // the number of the connection, from 1; 0 for none
	Attempt int // of a delivery, from 1
	Code    int
	Detail  string
}

// String is one line for a person.
func (r Record) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%5d %s %-13s", r.Seq, r.Time.UTC().Format("15:04:05.000000"), r.Op)
	for _, part := range []struct{ name, value string }{
		{"queue", r.Queue}, {"event", r.EventID}, {"receipt", r.Receipt},
	} {
		if part.value != "" {
			fmt.Fprintf(&b, " %s=%s", part.name, part.value)
		}
	}
	for _, part := range []struct {
		name  string
		value int
	}{{"conn", r.Conn}, {"attempt", r.Attempt}, {"code", r.Code}} {
		if part.value != 0 {
			fmt.Fprintf(&b, " %s=%d", part.name, part.value)
		}
	}
	if r.Detail != "" {
		fmt.Fprintf(&b, " (%s)", r.Detail)
	}
	return b.String()
}

// History returns the records so far, as far back as Retain reaches.
func (s *Server) History() []Record { return s.journal.History() }

// record adds r to the history. The caller holds mu and has made the change
// that r tells of, since waiters look at the state now.
func (s *Server) record(r Record) {
	r.Seq, r.Time = s.journal.Next()
	s.journal.Add(r)
}

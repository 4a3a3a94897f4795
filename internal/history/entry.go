// Package history records what the actors of a test did and judges it
// afterwards.
//
// The fake service, the fake handler, the fake store and the harness write
// the log; the code under test never does. So the judgement does not depend on
// what that code believes of itself. The vocabulary of [Report] is that of the
// queue checkers of Jepsen (jepsen-io/jepsen, checker.clj).
package history

import (
	"fmt"
	"strings"
	"time"
)

// Op is what an actor did.
type Op string

const (
	// Enqueue: the service was asked to take an event. Result is Confirmed,
	// Unconfirmed when the answer was lost, and Unhandled for an event for
	// which there is no handler on purpose.
	Enqueue Op = "enqueue"
	// Deliver: the service wrote the event, with Receipt, to Conn. Result is
	// Repeated when it is the same frame once more.
	Deliver Op = "deliver"
	// Claim: the store answered a claim. Result is acquired, done or busy.
	Claim Op = "claim"
	// Start: the handler was called. Token tells this run from others.
	Start Op = "start"
	// Effect: the handler did what the event is for, in run Token.
	Effect Op = "effect"
	// End: run Token returned. Result is OK, or what else happened.
	End Op = "end"
	// Commit: the store wrote done, whether or not the caller heard of it.
	Commit Op = "commit"
	// Release: the store freed a claim.
	Release Op = "release"
	// Park: the event lies in the dead letters.
	Park Op = "park"
	// AckSent: the service read an acknowledgement of Receipt from Conn.
	AckSent Op = "ack_sent"
	// AckProcessed: the service deleted the event.
	AckProcessed Op = "ack_processed"
	// AckReply: the service confirmed the acknowledgement.
	AckReply Op = "ack_reply"
	// Answer: the service read from Conn what gives a delivery's place in its
	// window back: an acknowledgement, a negative one, or a reader's credit.
	Answer Op = "answer"
	// GivenBack: the service is to deliver Event again, or all that Conn had
	// when that is empty.
	GivenBack Op = "given_back"
	// Saved: the position that a reader saved lies at the event or above it,
	// so that the event is never read again.
	Saved Op = "saved"
	// Dial: a process began to connect.
	Dial Op = "dial"
	// Connect: Conn is open, seen from the process.
	Connect Op = "connect"
	// Disconnect: Conn is closed, seen from the process.
	Disconnect Op = "disconnect"
	// Crash: the process is gone, with all that it held in memory.
	Crash Op = "crash"
	// Stop: the process was told to end and may not dial any more.
	Stop Op = "stop"
	// Quit: the process ended although nobody had told it to, with Result.
	Quit Op = "quit"
	// StoreFault: the store misbehaved for Event, or for all events when that
	// is empty.
	StoreFault Op = "store_fault"
	// LeaseLost: a run of Event went on after its right to run had ended.
	LeaseLost Op = "lease_lost"
	// Fault: the harness injected Result. It excuses nothing.
	Fault Op = "fault"
	// Gauge: what Result names was measured as Value.
	Gauge Op = "gauge"
)

// Results that the rules look at.
const (
	OK          = "ok"
	Confirmed   = "confirmed"
	Unconfirmed = "unconfirmed"
	Unhandled   = "unhandled"
	Repeated    = "repeated"
)

// Entry is one line of the log. Time and Seq are set by the Log.
type Entry struct {
	Time    time.Time
	Seq     int
	Actor   string // the process, "service", "store" or a nemesis
	Op      Op
	Queue   string
	Event   string
	Key     string // of an Enqueue: events with the same one are in order
	Receipt string
	Conn    string
	Token   string // of the claim, or of the run
	Attempt int
	Value   int // of a Gauge
	Result  string
}

// String is one line for a person who looks for the cause of a violation.
func (e Entry) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%6d %s %-9s %-13s", e.Seq, e.Time.UTC().Format("02T15:04:05.000000000"), e.Actor, e.Op)
	for _, part := range []struct{ name, value string }{
		{"queue", e.Queue}, {"event", e.Event}, {"key", e.Key}, {"receipt", e.Receipt},
		{"conn", e.Conn}, {"token", e.Token}, {"result", e.Result},
	} {
		if part.value != "" {
			fmt.Fprintf(&b, " %s=%s", part.name, part.value)
		}
	}
	if e.Attempt != 0 {
		fmt.Fprintf(&b, " attempt=%d", e.Attempt)
	}
	if e.Op == Gauge {
		fmt.Fprintf(&b, " value=%d", e.Value)
	}
	return b.String()
}

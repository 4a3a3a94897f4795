package pulsartest

import (
	"fmt"
	"strings"
	"time"
)

// Op is what the server did or saw.
type Op string

const (
	// OpPublish: a message was taken into its topic; Conn is that of the
	// producer, 0 for Publish.
	OpPublish Op = "publish"
	// OpSendError: a producer's message was refused; Code is the N of its
	// send-error:N.
	OpSendError Op = "send-error"
	// OpRefuse: a dial was refused with the HTTP status Code.
	OpRefuse Op = "refuse"
	// OpConnect: a connection was made; Detail is consumer, reader or producer.
	OpConnect Op = "connect"
	// OpDisconnect: a connection ended, for the server. Code is that of the
	// close frame, whoever sent it; 1005 for one without, 1006 when there was
	// none.
	OpDisconnect Op = "disconnect"
	// OpDeliver: a message was given to a connection for the first time on its
	// subscription. It is recorded before the frame is written, so it comes
	// before whatever the client makes of it. Count is the redeliveryCount.
	OpDeliver Op = "deliver"
	// OpRedeliver: like OpDeliver, for a message that was delivered before.
	OpRedeliver Op = "redeliver"
	// OpAck: an acknowledgement took a message off its subscription.
	OpAck Op = "ack"
	// OpAckPart: an acknowledgement of a message of a batch, others of which are
	// not acknowledged. Only the one that completes the batch is an OpAck.
	OpAckPart Op = "ack-part"
	// OpAckDuplicate: an acknowledgement of what is acknowledged already.
	OpAckDuplicate Op = "ack-duplicate"
	// OpAckUnknown: an acknowledgement of an id that is none of the topic's.
	OpAckUnknown Op = "ack-unknown"
	// OpAckRefused: an acknowledgement without effect because the service no
	// longer knows the id, and the consumer is of a partitioned topic or of
	// several topics, or the message is one of a batch.
	OpAckRefused Op = "ack-refused"
	// OpNack: a negative acknowledgement.
	OpNack Op = "nack"
	// OpCredit: a text message of a reader, which is a credit whatever it says.
	OpCredit Op = "credit"
	// OpPermit: a consumer permits Count more messages.
	OpPermit Op = "permit"
	// OpReturn: messages went back to their subscription; Count is how many,
	// Detail why.
	OpReturn Op = "return"
	// OpDeadLetter: a message went to the dead-letter topic, Detail.
	OpDeadLetter Op = "dead-letter"
	// OpStuck: a message with a null payload ended the delivery to a session.
	OpStuck Op = "stuck"
	// OpUnsubscribe: a consumer deleted its subscription.
	OpUnsubscribe Op = "unsubscribe"
	// OpEndOfTopic: a client asked for the end of the topic; Detail is the answer.
	OpEndOfTopic Op = "end-of-topic"
	// OpBadCommand: a message of the client that is no command; Detail says why.
	OpBadCommand Op = "bad-command"
	// OpCommandLost: a command arrived and had no effect, because of a Fault;
	// Detail is what it was.
	OpCommandLost Op = "command-lost"
	// OpFault: a Fault or a Break happened; Detail names it.
	OpFault Op = "fault"
)

// Record is one line of the server's history.
type Record struct {
	Seq          int // 1 for the first
	Time         time.Time
	Op           Op
	Conn         int    // the number of the connection, from 1; 0 for none
	Topic        string // in full; of a message its partition
	Subscription string
	MessageID    string
	Count        int
	Code         int
	Detail       string
}

// String is one line for a person.
func (r Record) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%5d %s %-13s", r.Seq, r.Time.UTC().Format("15:04:05.000000"), r.Op)
	for _, part := range []struct{ name, value string }{
		{"topic", r.Topic}, {"subscription", r.Subscription}, {"message", r.MessageID},
	} {
		if part.value != "" {
			fmt.Fprintf(&b, " %s=%s", part.name, part.value)
		}
	}
	for _, part := range []struct {
		name  string
		value int
	}{{"conn", r.Conn}, {"count", r.Count}, {"code", r.Code}} {
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

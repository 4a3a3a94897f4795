package eds

import (
	"context"
	"fmt"
	"time"
)

// Transport is a source of deliveries that keeps its own connection alive.
//
// The App calls Receive from one goroutine at a time (not always the same
// one), as soon as it has room for another delivery. Ack, Nack and Status may
// be called at any time, from any goroutine, beside Receive and each other.
// Close is called once, after the last Receive has returned.
//
// Unlike a handler's, a transport's panic is not recovered: it ends the
// process, and what was not acknowledged comes again. Its methods must not end
// the goroutine.
//
// The contract is executable: run transporttest against your transport.
type Transport interface {
	// Receive returns the next delivery. It connects, and after a lost
	// connection reconnects, as often as it takes. Its error is final: ctx's
	// error when ctx ended, an *AuthError or a *ConfigError when trying again
	// cannot help. While no call is under way the transport may stop reading,
	// and must go on keeping the connection alive.
	Receive(ctx context.Context) (*Delivery, error)

	// Ack tells the service that the event is done. It must not wait for the
	// service's confirmation, nor for another delivery. A receipt belongs to
	// the connection that brought it: when that is gone, Ack sends nothing and
	// returns ErrReceiptLost. Other errors say that the acknowledgement may
	// not have gone out; the service will deliver the event again.
	Ack(ctx context.Context, d *Delivery) error

	// Nack tells the service to deliver the event again. Where the protocol
	// has no such message the delivery is left alone and its time-out does
	// the work.
	Nack(ctx context.Context, d *Delivery) error

	// Close sends what is still buffered, gives the service until ctx ends to
	// confirm it, and ends the connection cleanly.
	Close(ctx context.Context) error
}

// StatusReporter is what a Transport implements to be seen by App.Health.
type StatusReporter interface {
	Status() Status
}

// Validator is what a Transport implements to have its settings checked
// before anything is dialed. The error names each wrong setting and its value.
type Validator interface {
	Validate() error
}

// Status is what a transport knows of its connection.
type Status struct {
	State State
	// Since is when State was entered.
	Since time.Time
	// LastRead is when bytes last came in, of any kind; zero for never.
	LastRead time.Time
	// LastEvent is when the last delivery came in; zero for never.
	LastEvent time.Time
	// Connects counts the connections that were established.
	Connects uint64
	// Unconfirmed counts acknowledgements that the service has not confirmed
	// yet, where it confirms them at all.
	Unconfirmed int
	// Skipped counts frames that were passed over: unreadable, of an unknown
	// type, or in answer to nothing that was sent.
	Skipped uint64
	// Gaps counts the places where events seem to be missing, and JumpsBack
	// those where the source went back to what was settled before, for
	// transports that keep their own position.
	Gaps, JumpsBack uint64
	// Err is why the last connection ended or was refused; nil before that.
	Err error
}

// State is the phase of a transport's connection.
type State int

const (
	// Connecting is the state before the first connection and between two.
	Connecting State = iota
	// Connected means that deliveries can arrive.
	Connected
	// Standby means that another client holds the queue, and that this one
	// takes over when it can.
	Standby
	// Closed is the state after Close.
	Closed
	// Refused means that trying again cannot help.
	Refused
)

func (s State) String() string {
	switch s {
	case Connecting:
		return "connecting"
	case Connected:
		return "connected"
	case Standby:
		return "standby"
	case Closed:
		return "closed"
	case Refused:
		return "refused"
	}
	return fmt.Sprintf("State(%d)", int(s))
}

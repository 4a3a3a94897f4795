// Package lease agrees among receivers of one queue on who dials.
//
// A service such as EDS allows one connection for each queue, and refuses every
// other with 409. Receivers that stand by could try again each second, all of
// them, for ever: a lease lets only its holder dial, and hands the queue over
// within seconds when the holder leaves or dies. edsv2.Lease and pulsarws.Lease
// take one.
//
// # Rules
//
// A lease is a courtesy. It never decides who may read: the service's own 409
// does, and no event is lost or kept from anybody because a lease was wrong.
// From that follows the rest:
//
//   - A store out of reach stops nobody. Receivers then dial as if there were
//     no lease, and the service lets one of them in.
//   - Two holders, as after the fail-over of a Redis to a replica that lags, do
//     no harm: the second one to dial is refused, and gives its lease up.
//   - Who is connected and loses the lease stays connected, and asks for it
//     again. Taking it away would only close a connection that works.
//   - Who has the lease and is refused by the service all the same gives it up:
//     it lets it end within about a second, in which nobody dials.
//   - Who has the lease and no connection for Patience gives it up too, and
//     leaves it to others for a while.
//   - It is released after the connection was closed, not before, so that the
//     next one's dial succeeds.
//
// There is no fencing number, since nothing could check one: the service knows
// connections, not leases.
package lease

import (
	"context"
	"time"
)

const (
	// Term is for how long the receivers of this module take a lease: a
	// holder that dies keeps it for no longer.
	Term = 3 * time.Second
	// Renewal is how often its holder extends it, and how often others look
	// at least whether it is free. No call to a store takes longer.
	Renewal = time.Second
	// Patience is for how long a holder keeps it without a connection.
	Patience = 60 * time.Second
	// Rest is for how long it then does not ask for it again.
	Rest = 10 * time.Second
)

// Lease is one holder's side of a lease that several ask for. All its methods
// may be called at any time, also at once. Package leasetest tells whether one
// keeps this contract.
type Lease interface {
	// Take takes the lease for term when nobody has it, and makes it last for
	// term from now, be that longer or shorter than before, when this holder
	// has it: term is 1 ms at least. A lease that another has is no error.
	//
	// An error says that nothing is known: the store is out of reach, or ctx
	// ended. The lease may have been taken all the same. Take must return soon
	// after ctx has ended; a receiver gives it Renewal at most.
	Take(ctx context.Context, term time.Duration) (Claim, error)
	// Release ends the lease at once when this holder has it, and does nothing
	// when not. It may be called without a Take, and again.
	Release(ctx context.Context) error
}

// Claim is what a Take came to.
type Claim struct {
	// Held is whether this holder has the lease now.
	Held bool
	// Holder is what the one who has it otherwise calls itself; it may be
	// empty.
	Holder string
	// Left is when the lease of another ends unless it is extended; zero when
	// the store does not tell.
	Left time.Duration
}

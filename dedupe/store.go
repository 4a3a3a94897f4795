package dedupe

import (
	"context"
	"errors"
	"time"
)

const (
	// DefaultLease is how long a claim holds without a renewal. It equals the
	// 30 s after which EDS delivers an unacknowledged event again, so that an
	// event whose worker died runs on its second redelivery at the latest.
	DefaultLease = 30 * time.Second

	// DefaultRetention is how long a finished event is remembered.
	DefaultRetention = 24 * time.Hour
)

var (
	// ErrUnavailable is wrapped by every error with which a Store says that
	// it cannot tell: unreachable, too slow, out of memory, a record that it
	// cannot read. It never means that an event was handled.
	ErrUnavailable = errors.New("dedupe: store unavailable")

	// ErrBusy is why an event is left for redelivery that somebody else is
	// still working on.
	ErrBusy = errors.New("dedupe: the event is in progress elsewhere")

	// ErrLeaseLost is the cause with which a run's context ends when another
	// owner may have taken the event over.
	ErrLeaseLost = errors.New("dedupe: lease lost")
)

// Hold names one owner's hold on one event: what a Claim asks for, and what
// Commit, Release and Renew refer to.
type Hold struct {
	// Key identifies the event; see Key.
	Key string
	// Token identifies the owner. It must differ between any two runs, in all
	// processes, and be the same when one run asks again.
	Token Token
	// Lease is how long a claim or renewal holds. Zero means DefaultLease.
	Lease time.Duration
	// Payload is a hash of the event's payload, by which a store notices that
	// an id was used for something else; zero when it is not compared.
	Payload uint64
}

// Store keeps one record per key. All methods may be called from several
// goroutines at once, and are atomic per key also among processes that share
// the store.
//
// The contract is executable: run dedupetest against your store.
type Store interface {
	// Claim asks for the event. Every error wraps ErrUnavailable, or is ctx's
	// own; it is returned within a few seconds even when ctx never ends.
	Claim(ctx context.Context, h Hold) (Claim, error)

	// Commit writes done, whoever owns the record, and tells whether h did.
	// It is called after the work, also when ctx has ended: a store takes
	// values from ctx but does not give up because of it.
	Commit(ctx context.Context, h Hold, r Result) (owned bool, err error)

	// Release gives the event back for the next claim, which need not wait
	// for the end of the lease. It does nothing unless h still owns it. Like
	// Commit it does not give up because ctx has ended.
	Release(ctx context.Context, h Hold) (owned bool, err error)

	// Renew starts h's lease anew, unless somebody else owns the event.
	Renew(ctx context.Context, h Hold) (owned bool, err error)
}

// Claim is the answer to a claim.
type Claim struct {
	// State is what became of the claim.
	State ClaimState
	// Attempt counts the owners that this event has had, this one included.
	// It grows with every new owner and so is a fencing number.
	Attempt int
	// Abandoned counts earlier owners that neither committed nor released:
	// their process died, or lost its lease.
	Abandoned int
	// Wait is how long the present owner's lease still lasts, when State is
	// Busy; it may be renewed meanwhile.
	Wait time.Duration
	// Result is how the event ended, when State is Done.
	Result Result
	// Changed tells that the event's payload is not the one with which the
	// record was made, when both were given.
	Changed bool
}

// ClaimState is what became of a claim.
type ClaimState uint8

const (
	// Acquired: the caller owns the event and runs it.
	Acquired ClaimState = iota + 1
	// Done: the event was handled before. It is acknowledged and not run.
	Done
	// Busy: somebody else owns the event. It is neither run nor acknowledged.
	Busy
)

func (s ClaimState) String() string {
	switch s {
	case Acquired:
		return "acquired"
	case Done:
		return "done"
	case Busy:
		return "busy"
	}
	return "unknown"
}

// Result is how an event ended, for those who ask later.
type Result uint8

const (
	// Succeeded: a handler took it.
	Succeeded Result = iota
	// Parked: it lies in the dead letters.
	Parked
	// Skipped: there was no handler for it.
	Skipped
	// Failed: it failed and was acknowledged without a dead letter.
	Failed
)

func (r Result) String() string {
	switch r {
	case Succeeded:
		return "succeeded"
	case Parked:
		return "parked"
	case Skipped:
		return "skipped"
	case Failed:
		return "failed"
	}
	return "unknown"
}

package eds

import (
	"context"
	"sync/atomic"
	"time"
)

// run is the processing of one event: the deliveries that wait for it and the
// context in which the chain runs. Deliveries of the same event that arrive
// while it lasts join it, so that an event never runs beside itself.
//
// The run itself is the handler's context, which saves an allocation.
type run struct {
	TimeoutContext

	id      uint64
	event   *Event
	first   *Delivery
	later   []*Delivery // joined, in the order of arrival
	heldAs  identity    // its key in lanes.held
	size    int64       // of the payload, as counted against the buffer
	slot    int32       // its place in lanes.active
	attempt int32       // Event.Attempt as the transport set it
	next    *run        // the one behind it in a fifo
	key     string      // what OrderBy said
	behind  *run        // the next one of the same key

	started time.Time // when its turn came; zero while it waits

	// verdict, when set, stands for the handler's result: dispatch returns it
	// and calls no handler.
	verdict error

	// abandoned says that another run continues this one, or that nobody
	// waits for it any longer: whoever still works on it must settle nothing.
	abandoned atomic.Bool

	keyed   bool // has a place among the runs of its key
	second  bool // continues a run that was lost
	broken  bool // continues a run that was lost for the second time
	stuck   bool // abandoned while its handler went on
	settled bool // its outcome stands

	watched []func(Settled)
	watch1  [2]func(Settled) // backs watched, for the usual few
}

// pristine returns the event as the transport made it, for another pass. The
// first pass may still be at work, so this does not read Attempt, which
// middleware sets.
func (r *run) pristine() *Event {
	e := r.event
	return &Event{
		ID: e.ID, Type: e.Type, Source: e.Source, Queue: e.Queue, Time: e.Time,
		Payload: e.Payload, Attributes: e.Attributes, Attempt: int(r.attempt),
	}
}

type runKey struct{}

// Value hands out the run itself beside what the parent context holds.
func (r *run) Value(key any) any {
	if _, ok := key.(runKey); ok {
		return r
	}
	return r.TimeoutContext.Value(key)
}

func runOf(ctx context.Context) *run {
	r, _ := ctx.Value(runKey{}).(*run)
	return r
}

// DeliveryFromContext returns the delivery that brought the event now being
// processed, for what an Event does not tell: when it arrived and until when
// its receipt is good. False outside of an App. Do not change the Delivery.
func DeliveryFromContext(ctx context.Context) (*Delivery, bool) {
	if r := runOf(ctx); r != nil {
		return r.first, true
	}
	return nil, false
}

// EventFromContext returns the event now being processed, for code that is
// not handed one. False outside of an App.
func EventFromContext(ctx context.Context) (*Event, bool) {
	if r := runOf(ctx); r != nil {
		return r.event, true
	}
	return nil, false
}

// RunID identifies the processing of one event within this process; 0 outside
// of an App. When the App sends an event through the chain once more because
// its handler panicked, ended its goroutine or got stuck, the number is the
// same: the second pass continues the first and owns what that one claimed.
func RunID(ctx context.Context) uint64 {
	if r := runOf(ctx); r != nil {
		return r.id
	}
	return 0
}

// Abandoned tells whether the App no longer waits for this pass of an event
// through the chain, because its handler got stuck or a shutdown ran out of
// time: whatever the pass returns is ignored, and another one settles the
// event. Middleware asks it before it does what must happen once, such as
// writing a dead letter. False outside of an App.
//
// The context's cause does not tell: it is the deadline, which came first.
func Abandoned(ctx context.Context) bool {
	r := runOf(ctx)
	return r != nil && r.abandoned.Load()
}

// Settled tells how the processing of an event ended.
type Settled struct {
	Event   *Event
	Outcome Outcome
	// Err is what the chain returned.
	Err error
	// Deliveries counts the deliveries that were settled with this outcome:
	// the first one and those that joined it.
	Deliveries int
	// AckStarted and AckTook time the acknowledgement of the newest delivery;
	// zero when nothing was acknowledged. It ends when the transport took it
	// over, not when the service confirmed it.
	AckStarted time.Time
	AckTook    time.Duration
	// AckErr is why the acknowledgement did not go out; nil otherwise.
	AckErr error
}

// Refuse settles on err as the handler's result without calling the handler:
// the rest of the chain runs, and the dispatcher at its end returns err, marked
// Permanent. A middleware uses it when it knows better than to run an event but
// wants the dead letter, which is further inside, to have it. It does nothing
// and returns false outside of an App. Call it on the way in, from the
// goroutine that called the middleware.
func Refuse(ctx context.Context, err error) bool {
	r := runOf(ctx)
	if r == nil || err == nil {
		return false
	}
	if r.verdict == nil {
		r.verdict = Permanent(err)
	}
	return true
}

// OnSettled has f called once the event that ctx belongs to is settled, on
// the goroutine that settled it, in the order of registration. Middleware uses
// it to see what comes after the chain: the acknowledgement. f must return
// quickly and must neither panic nor end its goroutine. Outside of an App it is
// never called. Register on the way in, from the goroutine that called the
// middleware.
func OnSettled(ctx context.Context, f func(Settled)) {
	r := runOf(ctx)
	if r == nil {
		return
	}
	if r.watched == nil {
		r.watched = r.watch1[:0]
	}
	r.watched = append(r.watched, f)
}

package middleware

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/eventdelivery/eds-go/eds"
)

// ErrBreakerOpen is why an event was left for redelivery: a CircuitBreaker did
// not let it through before its deadline.
var ErrBreakerOpen = errors.New("middleware: circuit breaker is open")

// BreakerOption changes what CircuitBreaker does.
type BreakerOption func(*breaker)

// TripAfter sets after how many failures in a row the breaker opens. The
// default is 5, also for less than 1.
func TripAfter(failures int) BreakerOption {
	return func(b *breaker) {
		if failures >= 1 {
			b.trip = uint32(min(failures, 1<<30))
		}
	}
}

// OpenFor sets how long the breaker stays open before it lets one event
// through for a trial. The default, also for zero and less, is 5 s.
func OpenFor(d time.Duration) BreakerOption {
	return func(b *breaker) {
		if d > 0 {
			b.openFor = d
		}
	}
}

// TripIf chooses which errors count as failures of what the handler depends
// on. By default all that make the event fail do, except those marked with
// eds.Permanent, which are about the event. What does not count is neither
// failure nor success, except for nil.
func TripIf(counts func(error) bool) BreakerOption {
	return func(b *breaker) {
		if counts != nil {
			b.counts = counts
		}
	}
}

// OnBreak has f called when the breaker changes between "closed", "open" and
// "half-open". f must return quickly and not call into the breaker.
func OnBreak(f func(from, to string)) BreakerOption {
	return func(b *breaker) { b.observe = f }
}

// CircuitBreaker spares a dependency that is down. After five failures in a
// row it opens; events are then held, not failed, until the breaker lets one
// through for a trial, whose success lets the others follow. An event that is
// still held when its time ends (less 500 ms) is left for redelivery, with
// ErrBreakerOpen: neither a retry nor a dead letter is spent on it.
//
// Put it inside Retry, so that it sees every attempt, and outside Timeout, so
// that waiting does not count. One CircuitBreaker may be installed in several
// places, which then share its state.
func CircuitBreaker(opts ...BreakerOption) eds.Middleware {
	b := &breaker{trip: 5, openFor: 5 * time.Second, counts: blamesDependency, changed: make(chan struct{})}
	for _, o := range opts {
		if o != nil {
			o(b)
		}
	}
	b.gate = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:       b.openFor,
		ReadyToTrip:   func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= b.trip },
		OnStateChange: b.stateChanged,
		IsExcluded:    func(err error) bool { return err != nil && !b.counts(err) },
	})
	return b.wrap
}

func blamesDependency(err error) bool {
	return eds.OutcomeOf(err) == eds.Failed && !eds.IsPermanent(err)
}

// breakerMargin is what is left of an event's time when holding it ends.
const breakerMargin = 500 * time.Millisecond

type breaker struct {
	trip    uint32
	openFor time.Duration
	counts  func(error) bool
	observe func(from, to string)
	gate    *gobreaker.TwoStepCircuitBreaker[struct{}]

	mu       sync.Mutex
	changed  chan struct{} // closed, and replaced, when waiting may be over
	openedAt time.Time
}

func (b *breaker) wrap(next eds.Handler) eds.Handler {
	return func(ctx context.Context, e *eds.Event) (err error) {
		done, refused := b.gate.Allow()
		if refused != nil {
			if done, err = b.hold(ctx); err != nil {
				return err
			}
		}
		trial := b.gate.State() == gobreaker.StateHalfOpen
		if trial {
			// A trial that gets stuck must not hold the others for ever. The
			// library ignores what is reported a second time.
			defer context.AfterFunc(ctx, func() { done(eds.ErrHandlerTimeout) })()
		}
		err = eds.ErrGoexit // if next does not return; a panic counts likewise
		defer func() {
			done(err)
			if trial {
				b.signal() // also when it decided nothing
			}
		}()
		err = next(ctx, e)
		return err
	}
}

// hold waits until the breaker lets the event through.
func (b *breaker) hold(ctx context.Context) (done func(error), err error) {
	if deadline, ok := ctx.Deadline(); ok {
		limited, cancel := context.WithDeadlineCause(ctx, deadline.Add(-breakerMargin), ErrBreakerOpen)
		defer cancel()
		ctx = limited
	}
	for {
		b.mu.Lock()
		changed, reopens := b.changed, time.Until(b.openedAt.Add(b.openFor))
		b.mu.Unlock()
		// Ask after changed was taken, so that no signal is missed.
		done, refused := b.gate.Allow()
		if refused == nil {
			return done, nil
		}
		// While a trial is under way only a signal ends the wait.
		var trial <-chan time.Time
		if errors.Is(refused, gobreaker.ErrOpenState) {
			trial = time.After(max(reopens, 0) + time.Millisecond)
		}
		select {
		case <-trial:
		case <-changed:
		case <-ctx.Done():
			return nil, b.heldTooLong(ctx)
		}
	}
}

func (b *breaker) heldTooLong(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, ErrBreakerOpen) {
		return eds.Redeliver(cause)
	}
	return eds.Redeliver(fmt.Errorf("%w: %w", ErrBreakerOpen, cause))
}

// stateChanged is called with the library's lock held.
func (b *breaker) stateChanged(_ string, from, to gobreaker.State) {
	if to == gobreaker.StateOpen {
		b.mu.Lock()
		b.openedAt = time.Now()
		b.mu.Unlock()
	}
	b.signal()
	if b.observe != nil {
		b.observe(from.String(), to.String())
	}
}

func (b *breaker) signal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.changed)
	b.changed = make(chan struct{})
}

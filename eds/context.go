package eds

import (
	"context"
	"sync"
	"time"
)

// WithTimeout is context.WithTimeoutCause at the price of one allocation
// while nobody waits on it: the timer and the tie to the parent are made when
// Done is first asked for. Most handlers of a busy stream end before that.
// Call Cancel when the work is over.
//
// A nil cause stands for context.DeadlineExceeded. Err is exact whether or
// not Done was called.
func WithTimeout(parent context.Context, d time.Duration, cause error) *TimeoutContext {
	c := &TimeoutContext{parent: parent, deadline: time.Now().Add(d), cause: cause}
	if outer, ok := parent.Deadline(); ok && outer.Before(c.deadline) {
		// The parent ends first, and with its own cause.
		c.deadline, c.cause = time.Time{}, nil
	}
	return c
}

// TimeoutContext is a context with a deadline that becomes a standard one when
// somebody needs its channel. It hands out the standard context's values, so
// that contexts derived from it are tied to that one without a goroutine.
// WithTimeout makes one; it may be used concurrently.
type TimeoutContext struct {
	parent   context.Context
	deadline time.Time // zero: the parent's applies
	cause    error

	mu    sync.Mutex
	real  context.Context         // nil until somebody needs it
	stop  context.CancelCauseFunc // ends real; nil as long as real is
	ended bool
}

// Deadline implements context.Context.
func (c *TimeoutContext) Deadline() (time.Time, bool) {
	if c.deadline.IsZero() {
		return c.parent.Deadline()
	}
	return c.deadline, true
}

// Done implements context.Context.
func (c *TimeoutContext) Done() <-chan struct{} { return c.materialize().Done() }

// Err implements context.Context.
func (c *TimeoutContext) Err() error {
	c.mu.Lock()
	real, ended := c.real, c.ended
	c.mu.Unlock()
	if real == nil && !ended && c.parent.Err() == nil &&
		(c.deadline.IsZero() || time.Now().Before(c.deadline)) {
		return nil
	}
	return c.materialize().Err()
}

// Value implements context.Context.
func (c *TimeoutContext) Value(key any) any {
	c.mu.Lock()
	real := c.real
	c.mu.Unlock()
	if real != nil {
		return real.Value(key)
	}
	return c.parent.Value(key)
}

// materialize returns the standard context, which it makes on the first call.
func (c *TimeoutContext) materialize() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real != nil {
		return c.real
	}
	ctx, cancel := context.WithCancelCause(c.parent)
	c.real, c.stop = ctx, cancel
	switch {
	case c.ended:
		cancel(context.Canceled)
	case !c.deadline.IsZero():
		timed, stopTimer := context.WithDeadlineCause(ctx, c.deadline, c.cause)
		c.real = timed
		c.stop = func(cause error) { cancel(cause); stopTimer() }
	}
	return c.real
}

// Cancel says that the work is over, and frees what the context holds. It may
// be called more than once.
func (c *TimeoutContext) Cancel() {
	c.mu.Lock()
	c.ended = true
	stop := c.stop
	c.mu.Unlock()
	if stop != nil {
		stop(context.Canceled)
	}
}

// cancelCause interrupts the work, which can see why.
func (c *TimeoutContext) cancelCause(cause error) {
	c.materialize()
	c.mu.Lock()
	stop := c.stop
	c.mu.Unlock()
	stop(cause)
}

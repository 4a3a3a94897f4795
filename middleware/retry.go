package middleware

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/eventdelivery/eds-go/eds"
)

// RetryOption changes what Retry does.
type RetryOption func(*retry)

// Attempts sets how often the handler is tried in all, the first time
// included. The default is 3; less than 1 counts as 1.
func Attempts(n int) RetryOption {
	return func(r *retry) { r.attempts = max(n, 1) }
}

// Backoff sets the pauses: before the second attempt up to initial, then up
// to twice as long each time, never longer than longest. The real pause is
// drawn evenly between zero and that ("full jitter"), so that events that
// failed together do not come back together. The default is 200 ms and 5 s.
func Backoff(initial, longest time.Duration) RetryOption {
	return func(r *retry) {
		r.initial = max(initial, 0)
		r.longest = max(longest, r.initial)
	}
}

// Margin sets how much of the event's time must be left after a pause for
// another attempt to be worth it. The default is 500 ms.
func Margin(d time.Duration) RetryOption {
	return func(r *retry) { r.margin = max(d, 0) }
}

// RetryIf restricts which errors are tried again, in addition to the rules of
// Retry.
func RetryIf(worth func(error) bool) RetryOption {
	return func(r *retry) { r.worth = worth }
}

// OnRetry has f called before each pause, on the goroutine that runs the
// event: attempt is the number of the attempt that failed with err, pause what
// is slept before the next. Given more than once, all are called.
func OnRetry(f func(ctx context.Context, e *eds.Event, attempt int, err error, pause time.Duration)) RetryOption {
	return func(r *retry) {
		if f != nil {
			r.observers = append(r.observers, f)
		}
	}
}

// Retry calls the handler again when it failed, after a pause, within the
// time that the event has.
//
// It tries again after errors and panics. It does not after errors marked
// with eds.Permanent, as those of unreadable deliveries are; after decisions
// (eds.Redeliver, eds.ErrDuplicate, eds.ErrUnsupported); after eds.ErrStuck,
// eds.ErrGoexit and eds.ErrShutdown; once ctx has ended; nor when the pause
// and the margin do not fit into what is left until ctx's deadline.
// eds.RetryAfter chooses the pause in place of the back-off: it is kept
// exactly, or not retried when it does not fit.
//
// What is returned is the last attempt's error; after more than one attempt in
// a *GaveUpError. A pause that a shutdown interrupts returns at once.
//
// Put it inside Dedupe and DeadLetter and outside Timeout and Recover.
func Retry(opts ...RetryOption) eds.Middleware {
	r := &retry{
		attempts: 3,
		initial:  200 * time.Millisecond,
		longest:  5 * time.Second,
		margin:   500 * time.Millisecond,
	}
	for _, o := range opts {
		if o != nil {
			o(r)
		}
	}
	return r.wrap
}

// GaveUpError is the failure of an event that was tried more than once. Test
// for it with errors.As; errors.Is and errors.As see the cause as well.
type GaveUpError struct {
	// Attempts is how often the handler was called.
	Attempts int
	// Err is what the last attempt returned.
	Err error
}

func (e *GaveUpError) Error() string { return fmt.Sprintf("%v (attempt %d)", e.Err, e.Attempts) }
func (e *GaveUpError) Unwrap() error { return e.Err }

type retry struct {
	attempts         int
	initial, longest time.Duration
	margin           time.Duration
	worth            func(error) bool
	observers        []func(context.Context, *eds.Event, int, error, time.Duration)
}

func (r *retry) wrap(next eds.Handler) eds.Handler {
	return func(ctx context.Context, e *eds.Event) error {
		err := next(ctx, e)
		if err == nil {
			return nil // the common case allocates nothing
		}
		return r.again(ctx, e, next, err)
	}
}

func (r *retry) again(ctx context.Context, e *eds.Event, next eds.Handler, err error) error {
	pauses := r.pauses()
	attempt := 1
	for ; err != nil && attempt < r.attempts && r.retryable(ctx, err); attempt++ {
		pause, asked := eds.RetryDelay(err)
		if !asked {
			pause = pauses.NextBackOff()
		}
		if !r.fits(ctx, pause) {
			break
		}
		r.tell(ctx, e, attempt, err, pause)
		if !sleep(ctx, pause) {
			break
		}
		err = next(ctx, e)
	}
	if attempt > 1 && err != nil && eds.OutcomeOf(err) == eds.Failed {
		return &GaveUpError{Attempts: attempt, Err: err}
	}
	return err
}

func (r *retry) tell(ctx context.Context, e *eds.Event, attempt int, err error, pause time.Duration) {
	defer contain("middleware: OnRetry")
	for _, observe := range r.observers {
		observe(ctx, e, attempt, err, pause)
	}
}

// pauses is full jitter in the library's terms: it draws from the interval
// plus or minus all of it, so half the interval gives zero to the whole.
func (r *retry) pauses() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(r.initial/2),
		backoff.WithMaxInterval(r.longest/2),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(1),
		backoff.WithMaxElapsedTime(0),
	)
}

func (r *retry) retryable(ctx context.Context, err error) bool {
	switch {
	case eds.OutcomeOf(err) != eds.Failed, eds.IsPermanent(err):
		return false
	case errors.Is(err, eds.ErrStuck), errors.Is(err, eds.ErrGoexit), errors.Is(err, eds.ErrShutdown):
		return false
	case ctx.Err() != nil:
		return false
	}
	return r.worth == nil || r.worth(err)
}

func (r *retry) fits(ctx context.Context, pause time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline)-r.margin > pause
}

// sleep returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

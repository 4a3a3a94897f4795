package middleware

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// The attributes that a dead letter has beside those of its event. The names
// keep to what CloudEvents 1.0 allows for extensions (section "Naming
// Conventions": lower-case letters and digits, at most 20).
const (
	// KeyError is the failure's text, at most 1024 bytes of it.
	KeyError = "deadlettererror"
	// KeyTime is when the event was given up, in UTC as RFC 3339.
	KeyTime = "deadlettertime"
	// KeyAttempts is how often the handler was tried in this run, in decimal.
	KeyAttempts = "deadletterattempts"
	// KeyKind is one of the Kind constants.
	KeyKind = "deadletterkind"
)

// DeadLetterOption changes what DeadLetter does.
type DeadLetterOption func(*deadLetter)

// SinkTimeout limits how long storing a dead letter may take. The default,
// also for zero and less, is 5 s: with the handler's 25 s that is the 30 s
// after which EDS delivers an event again.
func SinkTimeout(d time.Duration) DeadLetterOption {
	return func(l *deadLetter) {
		if d > 0 {
			l.limit = d
		}
	}
}

// DeadLetter hands an event that failed for good to sink: a file, a stream, a
// queue. The sink is a handler like any other. It gets a copy of the event,
// whole, with attributes that tell the failure (see KeyError); a copy that is
// replayed later carries them along.
//
// Once the sink returned nil the event counts as dead-lettered, which is
// acknowledged, and the error stays visible to the outer layers. When the sink
// fails or panics the event is left for redelivery, so that nothing is lost;
// the error then contains the failure and a *SinkError.
//
// The sink's context ends after SinkTimeout, not at the handler's deadline,
// which is over in many cases of failure; a shutdown that ran out of time ends
// it too. What failed because its context was cancelled, by a shutdown or by a
// lost lease, is not dead-lettered but left for redelivery. The late result of
// a handler that the App has given up is passed on: that event is
// dead-lettered by the App's second pass through the chain.
//
// Put it inside Dedupe and outside Retry. A nil sink makes a nil Middleware,
// which an App refuses.
func DeadLetter(sink eds.Handler, opts ...DeadLetterOption) eds.Middleware {
	if sink == nil {
		return nil
	}
	l := &deadLetter{sink: sink, limit: 5 * time.Second}
	for _, o := range opts {
		if o != nil {
			o(l)
		}
	}
	return l.wrap
}

// SinkError says that a dead letter could not be stored. Test for it with
// errors.As.
type SinkError struct{ Err error }

func (e *SinkError) Error() string {
	return fmt.Sprintf("middleware: dead letter not stored: %v", e.Err)
}
func (e *SinkError) Unwrap() error { return e.Err }

type deadLetter struct {
	sink  eds.Handler
	limit time.Duration
}

func (l *deadLetter) wrap(next eds.Handler) eds.Handler {
	return func(ctx context.Context, e *eds.Event) error {
		err := next(ctx, e)
		if err == nil || eds.OutcomeOf(err) != eds.Failed {
			return err
		}
		if eds.Abandoned(ctx) {
			return err // nobody acts on it
		}
		if interrupted(ctx) || errors.Is(err, eds.ErrShutdown) {
			return eds.Redeliver(err)
		}
		if sinkErr := l.store(ctx, deadLetterOf(ctx, e, err)); sinkErr != nil {
			return eds.Redeliver(errors.Join(err, &SinkError{sinkErr}))
		}
		return eds.DeadLettered(err)
	}
}

// deadLetterOf copies the event, since handlers may still look at theirs.
func deadLetterOf(ctx context.Context, e *eds.Event, err error) *eds.Event {
	attempts := 1
	if gaveUp, ok := errors.AsType[*GaveUpError](err); ok {
		attempts = gaveUp.Attempts
	}
	letter := *e
	letter.Attributes = make(map[string]string, len(e.Attributes)+4)
	maps.Copy(letter.Attributes, e.Attributes)
	letter.Attributes[KeyError] = clip(err.Error(), errorLimit)
	letter.Attributes[KeyTime] = time.Now().UTC().Format(time.RFC3339)
	letter.Attributes[KeyAttempts] = strconv.Itoa(attempts)
	letter.Attributes[KeyKind] = kindOf(ctx, err)
	return &letter
}

func (l *deadLetter) store(ctx context.Context, letter *eds.Event) (err error) {
	sinkCtx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	sinkCtx, stopTimer := context.WithTimeout(sinkCtx, l.limit)
	defer stopTimer()
	// The handler's context has often ended by now, at its deadline; only an
	// interruption from here on concerns the sink.
	defer context.AfterFunc(ctx, func() {
		if interrupted(ctx) {
			cancel(context.Cause(ctx))
		}
	})()
	defer func() {
		if v := recover(); v != nil {
			err = panicError(v)
		}
	}()
	return l.sink(sinkCtx, letter)
}

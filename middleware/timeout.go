package middleware

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// Timeout limits one attempt: the handler's context ends after d with the
// cause eds.ErrHandlerTimeout, or earlier when the whole event's time is over.
// Put it inside Retry, so that each attempt has its own limit. Zero or less is
// no limit.
//
// It cannot stop a handler that ignores its context; it waits for it. An error
// that such a handler, or any other, returns after the limit can be told by
// errors.Is(err, eds.ErrHandlerTimeout). A handler that returns nil has
// succeeded, however late.
func Timeout(d time.Duration) eds.Middleware { return (&timeout{d}).wrap }

type timeout struct{ limit time.Duration }

func (t *timeout) wrap(next eds.Handler) eds.Handler {
	if t.limit <= 0 {
		return next
	}
	return func(ctx context.Context, e *eds.Event) error {
		limited := eds.WithTimeout(ctx, t.limit, eds.ErrHandlerTimeout)
		defer limited.Cancel()
		err := next(limited, e)
		if err == nil {
			return nil
		}
		return timedOut(limited, err)
	}
}

// timedOut adds to a failure that its time was over. A decision that the
// handler took, such as eds.Redeliver, stands as it is.
func timedOut(ctx context.Context, err error) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) ||
		errors.Is(err, eds.ErrHandlerTimeout) || eds.OutcomeOf(err) != eds.Failed {
		return err
	}
	return fmt.Errorf("%w: %w", eds.ErrHandlerTimeout, err)
}

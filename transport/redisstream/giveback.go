package redisstream

import (
	"context"
	"errors"

	"github.com/eventdelivery/eds-go/eds"
)

// GiveBack is the eds.Middleware by which what failed comes again, on any
// worker, for the App whose transport t is: it makes eds.Redeliver of an
// error. The event then pauses for as long as eds.RetryAfter says where the
// error has that, at most MinIdle, and else as after Nack. Errors that are
// eds.Permanent are left as they are, and so is that of the last of
// MaxAttempts. Use it inside of middleware.DeadLetter, which gets these.
//
// Without it only what a handler marks with eds.Redeliver comes again, and
// eds.RetryAfter counts for nothing, since Nack does not see the error. With
// Partitions, what was given back without it comes to the partition's next
// reader at once, pause or no pause; so does what a shutdown interrupted.
func (t *Transport) GiveBack(next eds.Handler) eds.Handler {
	return func(ctx context.Context, e *eds.Event) error {
		err := next(ctx, e)
		outcome := eds.OutcomeOf(err)
		if outcome != eds.Failed && outcome != eds.Redelivered {
			return err
		}
		if !errors.Is(context.Cause(ctx), eds.ErrShutdown) { // else a drain gives it back
			t.postpone(e, err)
		}
		last := t.maxAttempts > 0 && e.Attempt >= t.maxAttempts
		if outcome == eds.Redelivered || last || eds.IsPermanent(err) {
			return err
		}
		return eds.Redeliver(err)
	}
}

// postpone notes that an event failed, and for how long it is to pause when it
// is given back.
func (t *Transport) postpone(e *eds.Event, err error) {
	d, asked := eds.RetryDelay(err)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.parts {
		for _, o := range p.held {
			if o.state == given && o.Event.ID == e.ID && o.Event.Source == e.Source {
				o.failed = true
				if asked {
					o.pause = &d
				}
			}
		}
	}
}

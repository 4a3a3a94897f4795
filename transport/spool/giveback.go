package spool

import (
	"context"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// GiveBack is the eds.Middleware by which what failed comes again, for the App
// whose transport is the Spool's: it makes eds.Redeliver of an error, after
// which the event pauses, for as long as eds.RetryAfter says where the error
// has that. Errors that are eds.Permanent are left as they are, and so is that
// of the last of MaxAttempts. Use it inside of middleware.DeadLetter, which
// gets these.
func (s *Spool) GiveBack(next eds.Handler) eds.Handler {
	return func(ctx context.Context, e *eds.Event) error {
		err := next(ctx, e)
		outcome := eds.OutcomeOf(err)
		if outcome.Acked() && outcome != eds.Failed || eds.IsPermanent(err) ||
			s.maxAttempts > 0 && e.Attempt >= s.maxAttempts {
			return err
		}
		if d, ok := eds.RetryDelay(err); ok {
			s.postpone(e, d)
		}
		return eds.Redeliver(err)
	}
}

// postpone notes for how long an event pauses when it is given back.
func (s *Spool) postpone(e *eds.Event, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range s.transports {
		for _, o := range t.out {
			if o.id == e.ID && o.source == e.Source {
				o.pause = d
			}
		}
	}
}

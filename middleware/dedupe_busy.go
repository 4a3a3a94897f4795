package middleware

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/eds"
)

const (
	// busyPatience is how long an event of another worker is waited for where
	// the delivery has no deadline: the 30 s of EDS less busyMargin.
	busyPatience = 25 * time.Second
	// busyMargin is left for the acknowledgement.
	busyMargin = 5 * time.Second

	// busyPause and busyPauseMax bound the pauses between two questions.
	busyPause    = 250 * time.Millisecond
	busyPauseMax = 2 * time.Second
)

// await asks again until the event is done or can be taken over. Its error
// wraps dedupe.ErrBusy when there is no more time.
func (c *claims) await(ctx context.Context, h dedupe.Hold, claim dedupe.Claim) (dedupe.Claim, error) {
	until := time.Now().Add(busyPatience)
	if d, ok := eds.DeliveryFromContext(ctx); ok && !d.Deadline.IsZero() {
		until = d.Deadline.Add(-busyMargin)
	}
	if end, ok := ctx.Deadline(); ok {
		// The wait is part of the handler's time. Whoever takes the event over
		// at the last moment would run out of it at once and dead-letter an
		// event that has nothing wrong with it; the redelivery starts anew.
		if half := time.Now().Add(time.Until(end) / 2); half.Before(until) {
			until = half
		}
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for pause := busyPause; ; pause = min(2*pause, busyPauseMax) {
		left := time.Until(until)
		if left <= 0 {
			return claim, fmt.Errorf("%w, for another %v at most", dedupe.ErrBusy, claim.Wait)
		}
		// Jitter keeps workers that wait for the same one from asking together.
		next := pause/2 + rand.N(pause/2)
		if claim.Wait > 0 {
			next = min(next, claim.Wait+time.Millisecond)
		}
		timer.Reset(min(next, left))
		select {
		case <-ctx.Done():
			return claim, fmt.Errorf("%w: %w", dedupe.ErrBusy, context.Cause(ctx))
		case <-timer.C:
		}
		var err error
		if claim, err = c.store.Claim(ctx, h); err != nil || claim.State != dedupe.Busy {
			return claim, err
		}
	}
}

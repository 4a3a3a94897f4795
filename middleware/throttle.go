package middleware

import (
	"context"
	"errors"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/eventdelivery/eds-go/eds"
)

// ErrThrottled is why an event was left for redelivery: its turn under a
// Throttle would have come after its deadline.
var ErrThrottled = errors.New("middleware: throttled beyond the event's deadline")

// ThrottleOption changes what Throttle does.
type ThrottleOption func(*throttle)

// PerKey gives each key a rate of its own, such as each tenant or each type.
// At most limit keys are remembered, 1024 if it is not positive; the one that
// was not used for longest is forgotten, and starts with a full burst when it
// comes again.
func PerKey(key func(*eds.Event) string, limit int) ThrottleOption {
	if limit <= 0 {
		limit = 1024
	}
	return func(t *throttle) { t.key, t.keys = key, limit }
}

// Throttle lets perSecond handler calls begin per second, with bursts of up to
// burst (1 if it is less). An event beyond that is held, which holds up its
// lane and in the end the transport: nothing fails because it came fast. When
// its turn would come only after its deadline the event is left for
// redelivery at once, with ErrThrottled. A perSecond of zero or less is no
// limit.
//
// Put it inside Retry, so that repeated attempts count, and outside Timeout,
// so that waiting does not.
func Throttle(perSecond float64, burst int, opts ...ThrottleOption) eds.Middleware {
	t := &throttle{limit: rate.Limit(perSecond), burst: max(burst, 1)}
	for _, o := range opts {
		if o != nil {
			o(t)
		}
	}
	if perSecond <= 0 {
		t.limit = rate.Inf
	}
	t.all = rate.NewLimiter(t.limit, t.burst)
	if t.key != nil {
		// The size is positive, the only thing that New can refuse.
		t.limiters, _ = lru.New[string, *rate.Limiter](t.keys)
	}
	return t.wrap
}

type throttle struct {
	limit    rate.Limit
	burst    int
	all      *rate.Limiter
	key      func(*eds.Event) string
	keys     int
	limiters *lru.Cache[string, *rate.Limiter]
}

func (t *throttle) wrap(next eds.Handler) eds.Handler {
	return func(ctx context.Context, e *eds.Event) error {
		if limiter := t.limiter(e); !limiter.Allow() {
			if err := wait(ctx, limiter); err != nil {
				return err
			}
		}
		return next(ctx, e)
	}
}

func (t *throttle) limiter(e *eds.Event) *rate.Limiter {
	if t.key == nil {
		return t.all
	}
	key := t.key(e)
	if limiter, ok := t.limiters.Get(key); ok {
		return limiter
	}
	limiter := rate.NewLimiter(t.limit, t.burst)
	if there, ok, _ := t.limiters.PeekOrAdd(key, limiter); ok {
		return there
	}
	return limiter
}

// wait holds the event until its turn. A turn that is not used is given back.
func wait(ctx context.Context, limiter *rate.Limiter) error {
	turn := limiter.Reserve()
	delay := turn.Delay()
	if deadline, ok := ctx.Deadline(); ok && delay >= time.Until(deadline) {
		turn.Cancel()
		return eds.Redeliver(fmt.Errorf("%w: %s to wait", ErrThrottled, delay.Round(time.Millisecond)))
	}
	if !sleep(ctx, delay) {
		turn.Cancel()
		return eds.Redeliver(context.Cause(ctx))
	}
	return nil
}

package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/eventdelivery/eds-go/dedupe"
)

// probePause is how long Redis is left alone after it failed.
const probePause = 500 * time.Millisecond

// errSilent stands for an answer that did not come in time.
var errSilent = errors.New("no answer in time")

// silence tells whether err took a whole time-out.
func silence(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return errors.Is(err, errSilent) || errors.Is(err, context.DeadlineExceeded) || ok && timeout.Timeout()
}

// guard keeps events away from a Redis that does not work.
type guard struct {
	// up is false while the breaker is not closed; reading it costs nothing.
	up      atomic.Bool
	last    atomic.Pointer[error] // the last failure
	probing atomic.Bool
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
}

// newGuard calls changed whenever up changes, and must not be used by it.
func newGuard(changed func(up bool)) *guard {
	g := new(guard)
	g.up.Store(true)
	g.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout: probePause,
		// The client has tried several times by itself. A silence has cost
		// its events a whole budget, so the first one is enough.
		ReadyToTrip: func(c gobreaker.Counts) bool {
			return c.ConsecutiveFailures >= 2 || silence(g.failure())
		},
		OnStateChange: func(_ string, _, to gobreaker.State) {
			up := to == gobreaker.StateClosed
			if g.up.Swap(up) != up {
				changed(up)
			}
		},
	})
	return g
}

// allow asks to send something; report must then be told how it went.
func (g *guard) allow() (report func(error), err error) {
	done, err := g.breaker.Allow()
	if err != nil {
		return nil, fmt.Errorf("%w: Redis is being left alone: %w", dedupe.ErrUnavailable, err)
	}
	return func(err error) {
		if err != nil {
			g.last.Store(&err)
		}
		done(err)
	}, nil
}

// failure returns the last failure, nil when there was none.
func (g *guard) failure() error {
	if err := g.last.Load(); err != nil {
		return *err
	}
	return nil
}

// probe tries Redis again when its pause is over: not with an event, which
// would have to wait for it, but beside them.
func (g *guard) probe(try func() error) {
	if g.breaker.State() != gobreaker.StateHalfOpen || !g.probing.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer g.probing.Store(false)
		if report, err := g.allow(); err == nil {
			report(try())
		}
	}()
}

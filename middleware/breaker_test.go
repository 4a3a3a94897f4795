package middleware

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// dependency is a handler whose result can be changed.
type dependency struct {
	mu    sync.Mutex
	err   error
	takes time.Duration
	at    []time.Duration
	since time.Time
}

func (d *dependency) handle(context.Context, *eds.Event) error {
	d.mu.Lock()
	d.at = append(d.at, time.Since(d.since))
	takes := d.takes
	d.mu.Unlock()
	time.Sleep(takes) // fake time: only called in bubbles
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

func (d *dependency) set(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func (d *dependency) calls() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.at)
}

func TestBreakerHoldsUntilTheDependencyIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dependency{err: errBoom, since: time.Now(), takes: time.Second}
		var changes []string
		h := CircuitBreaker(OnBreak(func(from, to string) { changes = append(changes, from+">"+to) }))(d.handle)
		for range 5 {
			mustBe(t, h(t.Context(), event()), eds.Failed, errBoom)
		}
		d.set(nil)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if err := h(t.Context(), event()); err != nil {
					t.Errorf("a held event failed: %v", err)
				}
			})
		}
		wg.Wait()
		// Five failures of a second each; open for 5 s; one trial of a second;
		// then the other 19 together.
		if want := 10*time.Second + time.Millisecond; d.at[5] != want {
			t.Errorf("the trial came at %v, want %v", d.at[5], want)
		}
		for _, at := range d.at[6:] {
			if want := 11*time.Second + time.Millisecond; at != want {
				t.Errorf("an event followed at %v, want %v", at, want)
			}
		}
		if !slices.Equal(changes, []string{"closed>open", "open>half-open", "half-open>closed"}) {
			t.Error(changes)
		}
	})
}

func TestBreakerOpensAgainAfterAFailedTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dependency{err: errBoom, since: time.Now()}
		h := CircuitBreaker(TripAfter(1), OpenFor(time.Second))(d.handle)
		_ = h(t.Context(), event())
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { _ = h(ctx, event()) })
		}
		wg.Wait()
		// One event per trial, a second apart, until the events' time is over.
		if n := d.calls(); n != 10 {
			t.Errorf("%d calls at %v", n, d.at)
		}
	})
}

func TestBreakerRedeliversWhenTheTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dependency{err: errBoom, since: time.Now()}
		h := CircuitBreaker(TripAfter(1), OpenFor(time.Minute))(d.handle)
		_ = h(t.Context(), event())
		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, eds.ErrHandlerTimeout)
		defer cancel()
		start := time.Now()
		var s shelf
		mustBe(t, DeadLetter(s.put)(Retry()(h))(ctx, event()), eds.Redelivered, ErrBreakerOpen)
		if time.Since(start) != 9500*time.Millisecond || d.calls() != 1 || len(s.letters) != 0 {
			t.Errorf("after %v, %d calls, %d letters", time.Since(start), d.calls(), len(s.letters))
		}

		ctx, interrupt := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { interrupt(eds.ErrShutdown) })
		mustBe(t, h(ctx, event()), eds.Redelivered, ErrBreakerOpen, eds.ErrShutdown)
	})
}

func TestBreakerCountsOnlyWhatBlamesTheDependency(t *testing.T) {
	for name, err := range map[string]error{
		"success": nil, "permanent": eds.Permanent(errBoom), "duplicate": eds.ErrDuplicate,
		"unsupported": eds.ErrUnsupported, "redeliver": eds.Redeliver(errBoom),
	} {
		synctest.Test(t, func(t *testing.T) {
			d := &dependency{err: err, since: time.Now()}
			h := CircuitBreaker(TripAfter(1))(d.handle)
			for range 10 {
				_ = h(t.Context(), event())
			}
			if time.Since(d.since) != 0 || d.calls() != 10 {
				t.Errorf("%s opened it", name)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		d := &dependency{err: errBoom, since: time.Now()}
		h := CircuitBreaker(TripAfter(1), TripIf(func(error) bool { return false }))(d.handle)
		_, _ = h(t.Context(), event()), h(t.Context(), event())
		if time.Since(d.since) != 0 {
			t.Error("TripIf was ignored")
		}
	})
}

// A trial may end without a verdict: the next event tries then.
func TestBreakerTrialThatDecidesNothing(t *testing.T) {
	for name, undecided := range map[string]eds.Handler{
		"excluded": always(eds.Permanent(errBoom)),
		"panic":    explode("pow"),
		"goexit":   func(context.Context, *eds.Event) error { runtime.Goexit(); return nil },
		"stuck": func(ctx context.Context, _ *eds.Event) error {
			time.Sleep(time.Hour)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				h := CircuitBreaker(TripAfter(1), OpenFor(time.Second))(func(ctx context.Context, e *eds.Event) error {
					switch calls.Add(1) {
					case 1:
						return errBoom
					case 2:
						return undecided(ctx, e)
					}
					return nil
				})
				_ = h(t.Context(), event())
				trial, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				go func() {
					defer func() { _ = recover() }()
					_ = h(trial, event())
				}()
				time.Sleep(2 * time.Second)
				start := time.Now()
				if err := h(t.Context(), event()); err != nil || calls.Load() != 3 {
					t.Errorf("%v after %d calls", err, calls.Load())
				}
				waited := time.Since(start)
				if waited > 10*time.Second {
					t.Errorf("held for %v", waited)
				}
				if (name == "panic" || name == "goexit") && waited == 0 {
					t.Error("counted as a success")
				}
				time.Sleep(2 * time.Hour) // let the stuck one go
			})
		})
	}
}

// Whoever waits for a trial's verdict goes on when there is none.
func TestBreakerGoesOnAfterAnUndecidedTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dependency{err: errBoom, since: time.Now()}
		h := CircuitBreaker(TripAfter(1), OpenFor(time.Second))(d.handle)
		_ = h(t.Context(), event())
		d.set(eds.Permanent(errBoom))
		d.takes = 3 * time.Second
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { mustBe(t, h(t.Context(), event()), eds.Failed, errBoom) })
		}
		wg.Wait()
		ms := time.Millisecond
		if want := []time.Duration{0, 1001 * ms, 4001 * ms, 7001 * ms}; !slices.Equal(d.at, want) {
			t.Errorf("calls at %v, want %v", d.at, want)
		}
	})
}

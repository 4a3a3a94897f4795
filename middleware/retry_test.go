package middleware

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

func TestRetryTriesAgainUntilItWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls int
		var seen []int
		var paused time.Duration
		start := time.Now()
		h := Retry(OnRetry(func(_ context.Context, e *eds.Event, attempt int, err error, pause time.Duration) {
			if e.ID != "e-1" || !errors.Is(err, errBoom) {
				t.Errorf("observer saw %v of %v", err, e)
			}
			seen = append(seen, attempt)
			paused += pause
		}))(returns(&calls, errBoom, errBoom))
		if err := h(t.Context(), event()); err != nil {
			t.Fatal(err)
		}
		if calls != 3 || !slices.Equal(seen, []int{1, 2}) {
			t.Fatalf("%d calls, observer saw attempts %v", calls, seen)
		}
		if slept := time.Since(start); slept != paused {
			t.Fatalf("slept %v, the observer was told %v", slept, paused)
		}
	})
}

func TestRetryGivesUpAfterItsAttempts(t *testing.T) {
	for attempts, want := range map[int]int{-1: 1, 0: 1, 1: 1, 2: 2, 5: 5} {
		synctest.Test(t, func(t *testing.T) {
			var calls int
			h := Retry(Attempts(attempts))(func(context.Context, *eds.Event) error { calls++; return errBoom })
			err := h(t.Context(), event())
			mustBe(t, err, eds.Failed, errBoom)
			if calls != want {
				t.Fatalf("Attempts(%d): %d calls, want %d", attempts, calls, want)
			}
			gaveUp, ok := errors.AsType[*GaveUpError](err)
			if ok != (want > 1) || ok && gaveUp.Attempts != want {
				t.Fatalf("Attempts(%d): %#v", attempts, err)
			}
		})
	}
}

func TestRetryLeavesAlone(t *testing.T) {
	for name, err := range map[string]error{
		"success":            nil,
		"permanent":          eds.Permanent(errBoom),
		"redeliver":          eds.Redeliver(errBoom),
		"redeliver later":    eds.RetryAfter(eds.Redeliver(errBoom), time.Second),
		"duplicate":          eds.ErrDuplicate,
		"unsupported":        eds.ErrUnsupported,
		"stuck":              eds.ErrStuck,
		"goexit":             eds.ErrGoexit,
		"shutdown":           eds.ErrShutdown,
		"permanent panic":    eds.Permanent(&eds.PanicError{Value: "x"}),
		"permanent in a row": eds.RetryAfter(eds.Permanent(errBoom), time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls int
				start := time.Now()
				h := Retry()(func(context.Context, *eds.Event) error { calls++; return err })
				if got := h(t.Context(), event()); got != err {
					t.Fatalf("got %v, want %v itself", got, err)
				}
				if calls != 1 || time.Since(start) != 0 {
					t.Fatalf("%d calls, %v", calls, time.Since(start))
				}
			})
		})
	}
}

func TestRetryTriesPanicsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		h := Retry()(Recover()(func(context.Context, *eds.Event) error {
			if calls++; calls == 1 {
				panic("first")
			}
			return nil
		}))
		if err := h(t.Context(), event()); err != nil || calls != 2 {
			t.Fatalf("%v after %d calls", err, calls)
		}
	})
}

func TestRetryIfRestricts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls int
		h := Retry(RetryIf(func(err error) bool { return !errors.Is(err, errBoom) }))(returns(&calls, errors.New("other"), errBoom))
		mustBe(t, h(t.Context(), event()), eds.Failed, errBoom)
		if calls != 2 {
			t.Fatalf("%d calls", calls)
		}
	})
}

func TestRetryAfterIsKeptExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls int
		start := time.Now()
		h := Retry()(returns(&calls, eds.RetryAfter(errBoom, 7*time.Second)))
		if err := h(t.Context(), event()); err != nil || calls != 2 {
			t.Fatalf("%v after %d calls", err, calls)
		}
		if slept := time.Since(start); slept != 7*time.Second {
			t.Fatalf("slept %v", slept)
		}
	})
}

// A pause that ends after the deadline helps nobody: the time is better spent
// on the dead letter.
func TestRetryNeverSleepsPastTheDeadline(t *testing.T) {
	for after, want := range map[time.Duration]int{
		9*time.Second + 499*time.Millisecond: 2,
		9*time.Second + 500*time.Millisecond: 1, // the margin is not left
		time.Hour:                            1,
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var calls int
			start := time.Now()
			err := Retry()(returns(&calls, eds.RetryAfter(errBoom, after)))(ctx, event())
			if calls != want || (err == nil) != (want == 2) {
				t.Fatalf("RetryAfter(%v): %d calls, %v", after, calls, err)
			}
			if want == 1 && time.Since(start) != 0 {
				t.Fatalf("RetryAfter(%v): slept %v all the same", after, time.Since(start))
			}
		})
	}
}

func TestRetryStopsWhenTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		var calls int
		time.AfterFunc(3*time.Second, func() { cancel(eds.ErrShutdown) })
		start := time.Now()
		err := Retry()(returns(&calls, eds.RetryAfter(errBoom, time.Hour), errBoom))(ctx, event())
		if !errors.Is(err, errBoom) || calls != 1 || time.Since(start) != 3*time.Second {
			t.Fatalf("%v after %d calls and %v", err, calls, time.Since(start))
		}
	})
}

func TestRetryNotOnceTheTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		calls := 0
		h := Retry(Margin(0), Backoff(0, 0))(func(ctx context.Context, _ *eds.Event) error {
			calls++
			<-ctx.Done()
			return ctx.Err()
		})
		if err := h(ctx, event()); !errors.Is(err, context.DeadlineExceeded) || calls != 1 {
			t.Fatalf("%v after %d calls", err, calls)
		}
	})
}

// Full jitter: evenly between zero and a bound that doubles up to the longest.
func TestRetryPausesHaveFullJitter(t *testing.T) {
	const rounds = 2000
	r := &retry{initial: 200 * time.Millisecond, longest: time.Second}
	bounds := []time.Duration{200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, time.Second, time.Second}
	for i, bound := range bounds {
		var low, high int
		for range rounds {
			pauses := r.pauses()
			for range i {
				pauses.NextBackOff()
			}
			p := pauses.NextBackOff()
			if p < 0 || p > bound+1 { // the library rounds up by 1 ns
				t.Fatalf("pause %d is %v, bound %v", i, p, bound)
			}
			switch {
			case p < bound/10:
				low++
			case p > bound*9/10:
				high++
			}
		}
		// 200 each are expected, with a deviation of 14.
		if low < 100 || high < 100 {
			t.Errorf("pause %d: %d in the lowest tenth, %d in the highest, of %d", i, low, high, rounds)
		}
	}
}

func TestRetrySuccessAllocatesNothing(t *testing.T) {
	h := Retry()(always(nil))
	allocates(t, 0, h)
}

func TestRetrySurvivesItsObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls int
		h := Retry(OnRetry(func(context.Context, *eds.Event, int, error, time.Duration) { panic("observer bug") }))(returns(&calls, errBoom))
		if err := h(t.Context(), event()); err != nil || calls != 2 {
			t.Fatalf("%v after %d calls", err, calls)
		}
	})
}

func TestRetryAnnouncesNoRetryThatWillNotBe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var calls int
	h := Retry(OnRetry(func(context.Context, *eds.Event, int, error, time.Duration) { t.Error("announced") }))(returns(&calls, errBoom))
	if err := h(ctx, event()); err != errBoom || calls != 1 {
		t.Fatalf("%v after %d calls", err, calls)
	}
}

func TestRetryPassesALaterDecision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls int
		decided := eds.Redeliver(errors.New("not here"))
		if err := Retry()(returns(&calls, errBoom, decided))(t.Context(), event()); err != decided || calls != 2 {
			t.Fatalf("%v after %d calls", err, calls)
		}
	})
}

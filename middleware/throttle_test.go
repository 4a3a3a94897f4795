package middleware

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

func TestThrottleHoldsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		h := Throttle(10, 2)(func(context.Context, *eds.Event) error { at = append(at, time.Since(start)); return nil })
		for range 5 {
			if err := h(t.Context(), event()); err != nil {
				t.Fatal(err)
			}
		}
		for i, want := range []time.Duration{0, 0, 100 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond} {
			if at[i] != want {
				t.Errorf("call %d at %v, want %v", i, at[i], want)
			}
		}
	})
}

func TestThrottleBeyondTheDeadlineRedelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		h := Throttle(0.1, 1)(func(context.Context, *eds.Event) error { calls++; return nil })
		_ = h(t.Context(), event())
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		mustBe(t, h(ctx, event()), eds.Redelivered, ErrThrottled)
		if time.Since(start) != 0 || calls != 1 {
			t.Fatalf("waited %v, %d calls", time.Since(start), calls)
		}
		// Its turn went back: the next one need not wait for two.
		if err := h(t.Context(), event()); err != nil || time.Since(start) != 10*time.Second {
			t.Fatalf("%v after %v", err, time.Since(start))
		}
	})
}

// Watermill's Throttle went on waiting after its context had ended.
func TestThrottleEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := Throttle(0.1, 1)(always(nil))
		_ = h(t.Context(), event())
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(eds.ErrShutdown) })
		start := time.Now()
		mustBe(t, h(ctx, event()), eds.Redelivered, eds.ErrShutdown)
		if time.Since(start) != time.Second {
			t.Fatalf("after %v", time.Since(start))
		}
		// Its turn went back: the next one need not wait for two.
		if err := h(t.Context(), event()); err != nil || time.Since(start) != 10*time.Second {
			t.Fatalf("%v after %v", err, time.Since(start))
		}
	})
}

func TestThrottlePerKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		h := Throttle(1, 1, PerKey(func(e *eds.Event) string { return e.Type }, 0))(always(nil))
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				e := event()
				e.Type = strconv.Itoa(i % 50)
				_ = h(t.Context(), e)
			})
		}
		wg.Wait()
		if took := time.Since(start); took != time.Second { // the second of each key waits
			t.Fatalf("took %v", took)
		}
	})
}

func TestThrottleRemembersAFewKeys(t *testing.T) {
	th := &throttle{}
	PerKey(func(e *eds.Event) string { return e.Type }, 10)(th)
	if th.keys != 10 {
		t.Fatal(th.keys)
	}
	m := Throttle(1, 1, PerKey(func(e *eds.Event) string { return e.Type }, 10), func(t *throttle) { th = t })
	h := m(always(nil))
	for i := range 1000 {
		e := event()
		e.Type = strconv.Itoa(i)
		_ = h(t.Context(), e)
	}
	if n := th.limiters.Len(); n != 10 {
		t.Fatalf("%d keys", n)
	}
}

func TestThrottleOfZeroIsNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		h := Throttle(0, 0)(always(nil))
		for range 100 {
			_ = h(t.Context(), event())
		}
		if time.Since(start) != 0 {
			t.Fatal(time.Since(start))
		}
	})
}

package eds_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// What waits for its key when the transport gives up is given back, and does
// not run after that.
func TestFinalErrorWhileEventsWaitForTheirKey(t *testing.T) {
	var j journal
	bubble(t, handle(j.handler(time.Second)), func(t *testing.T, r *running) {
		r.final = errBoom
		r.deliver("a1", "X", "R1")
		r.deliver("a2", "X", "R2")
		r.deliver("a3", "X", "R3")
		close(r.in)
		time.Sleep(time.Minute)
		if !r.done() {
			t.Fatal("Run goes on")
		}
		if err := r.stop(); !errors.Is(err, errBoom) {
			t.Errorf("Run returned %v", err)
		}
		r.want(t, "nack R2", "nack R3", "ack R1")
		j.want(t, "start a1", "end a1")
	}, eds.Concurrency(4), eds.OrderBy(func(e *eds.Event) string { return e.ID[:1] }))
}

// Ids are unique within a source only: an event must not be acknowledged with
// another one's run.
func TestSameIDFromAnotherSource(t *testing.T) {
	var j journal
	bubble(t, handle(j.handler(time.Second)), func(t *testing.T, r *running) {
		for i, source := range []string{"test://host/a", "test://host/b"} {
			r.in <- &eds.Delivery{Event: eds.Event{ID: "1", Source: source}, Receipt: fmt.Sprint("R", i)}
		}
		time.Sleep(3 * time.Second)
		j.want(t, "start 1", "end 1", "start 1", "end 1")
		r.want(t, "ack R0", "ack R1")
	})
}

// What joins a run is a redelivery of its event and nothing else.
func TestWhatDoesNotJoin(t *testing.T) {
	event := func(id string) eds.Event { return eds.Event{ID: id, Source: "test://host/q"} }
	for _, row := range []struct {
		rule          string
		first, second eds.Delivery
		runs          int
		settled       []string
	}{
		{"no id",
			eds.Delivery{Event: event(""), Receipt: "R1"}, eds.Delivery{Event: event(""), Receipt: "R2"},
			2, []string{"ack R1", "ack R2"}},
		{"unreadable beside its id",
			eds.Delivery{Event: event("1"), Receipt: "R1"}, eds.Delivery{Event: event("1"), Receipt: "R2", Err: errBoom},
			2, []string{"ack R1", "ack R2"}},
		{"readable beside an unreadable one",
			eds.Delivery{Event: event("1"), Receipt: "R1", Err: errBoom}, eds.Delivery{Event: event("1"), Receipt: "R2"},
			2, []string{"ack R1", "ack R2"}},
		{"the same receipt of another connection",
			eds.Delivery{Event: event("1"), Receipt: "R1", Tag: 1}, eds.Delivery{Event: event("1"), Receipt: "R1", Tag: 2},
			1, []string{"ack R1", "ack R1"}},
	} {
		t.Run(row.rule, func(t *testing.T) {
			runs := 0
			bubble(t, func(a *eds.App) {
				a.Use(func(next eds.Handler) eds.Handler {
					return func(ctx context.Context, e *eds.Event) error {
						runs++
						time.Sleep(time.Second)
						return next(ctx, e)
					}
				})
				a.Handle("*", func(context.Context, *eds.Event) error { return nil })
			}, func(t *testing.T, r *running) {
				r.in <- &row.first
				r.in <- &row.second
				time.Sleep(time.Minute)
				r.want(t, row.settled...)
				if runs != row.runs {
					t.Errorf("%d runs, want %d", runs, row.runs)
				}
			})
		})
	}
}

// A key function may call back, and fails its event only.
func TestKeyFunction(t *testing.T) {
	var app *eds.App
	var ran []string
	var failed error
	bubble(t, func(a *eds.App) {
		app = a
		a.Use(func(next eds.Handler) eds.Handler {
			return func(ctx context.Context, e *eds.Event) error {
				err := next(ctx, e)
				if err != nil {
					failed = err
				}
				return err
			}
		})
		a.Handle("*", func(_ context.Context, e *eds.Event) error { ran = append(ran, e.ID); return nil })
	}, func(t *testing.T, r *running) {
		r.deliver("poison", "X", "R1")
		r.want(t, "ack R1")
		r.deliver("good", "X", "R2")
		r.want(t, "ack R1", "ack R2")
		var panicked *eds.PanicError
		if !slices.Equal(ran, []string{"good"}) || !errors.As(failed, &panicked) || !eds.IsPermanent(failed) {
			t.Errorf("ran %q, failed %v", ran, failed)
		}
	}, eds.OrderBy(func(e *eds.Event) string {
		app.Health()
		if e.ID == "poison" {
			panic("no key")
		}
		return e.ID
	}))
}

// Deliveries without a key do not wait for one another.
func TestUnreadableDeliveriesHaveNoKey(t *testing.T) {
	bubble(t, func(a *eds.App) {
		a.Use(deadLetter(func(context.Context, *eds.Event) error { time.Sleep(time.Second); return nil }))
		a.Handle("*", func(context.Context, *eds.Event) error { return nil })
	}, func(t *testing.T, r *running) {
		for _, receipt := range []string{"R1", "R2", "R3"} {
			r.in <- &eds.Delivery{Receipt: receipt, Err: errBoom}
		}
		time.Sleep(time.Second + time.Millisecond)
		synctest.Wait()
		if n := len(r.log()); n != 3 {
			t.Errorf("%d settled after the time of one, want all 3", n)
		}
	}, eds.Concurrency(4), eds.OrderBy(func(e *eds.Event) string { return e.ID }))
}

func TestZeroDrainTimeoutWithNothingToInterrupt(t *testing.T) {
	for range 50 { // a select between two that are ready is a toss
		bubble(t, handle(func(context.Context, *eds.Event) error { return nil }), func(t *testing.T, r *running) {
			synctest.Wait()
			if err := r.stop(); err != nil {
				t.Errorf("Run returned %v", err)
			}
		}, eds.DrainTimeout(0))
	}
}

func TestHugeHandlerTimeout(t *testing.T) {
	var j journal
	bubble(t, handle(j.handler(time.Hour)), func(t *testing.T, r *running) {
		r.deliver("1", "X", "R1")
		time.Sleep(time.Hour + time.Second)
		r.want(t, "ack R1")
		if h := r.app.Health(); h.Stuck != 0 || h.Outcomes[eds.Handled] != 1 {
			t.Errorf("health %+v", h)
		}
	}, eds.HandlerTimeout(math.MaxInt64))
}

// context.Cause must be right without a look at Err or Done before.
func TestCauseBeforeErr(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := withTimeout(t.Context(), time.Second, errBoom)
		defer cancel()
		if cause := context.Cause(ctx); cause != nil {
			t.Errorf("cause %v before the deadline", cause)
		}
		time.Sleep(time.Second)
		if cause := context.Cause(ctx); cause != errBoom {
			t.Errorf("cause %v, want the deadline's", cause)
		}
		ctx, cancel = withTimeout(t.Context(), time.Second, errBoom)
		cancel()
		if cause := context.Cause(ctx); cause != context.Canceled {
			t.Errorf("cause %v after cancel", cause)
		}
		parent, end := context.WithCancelCause(t.Context())
		ctx, cancel = withTimeout(parent, time.Second, nil)
		defer cancel()
		end(errBoom)
		if ctx.Err() != context.Canceled || context.Cause(ctx) != errBoom {
			t.Errorf("after the parent's end: %v because of %v", ctx.Err(), context.Cause(ctx))
		}
	})
}

type mute struct{ *script }

func (m mute) Receive(context.Context) (*eds.Delivery, error) { return nil, nil }

func TestTransportWithNeitherDeliveryNorError(t *testing.T) {
	app := eds.New(mute{newScript()})
	app.Handle("*", func(context.Context, *eds.Event) error { return nil })
	if err := app.Run(t.Context()); err == nil {
		t.Error("Run returned nil")
	}
}

// Middleware counts attempts in the Event. The second pass begins while the
// first may still do so, and with what the transport said; the race detector
// looks on.
func TestSecondPassHasThePristineEvent(t *testing.T) {
	var mu sync.Mutex
	var attempts []int
	var release chan struct{}
	bubbleWith(t, &release, func(a *eds.App) {
		a.Use(func(next eds.Handler) eds.Handler {
			return func(ctx context.Context, e *eds.Event) error {
				mu.Lock()
				attempts = append(attempts, e.Attempt)
				mu.Unlock()
				e.Attempt += 10
				return next(ctx, e)
			}
		})
		a.Handle("*", func(context.Context, *eds.Event) error { <-release; return nil })
	}, func(t *testing.T, r *running) {
		r.in <- &eds.Delivery{Event: eds.Event{ID: "1", Attempt: 3}, Receipt: "R1"}
		time.Sleep(time.Minute)
		r.want(t, "ack R1")
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(attempts, []int{3, 3}) {
			t.Errorf("attempts %v, want 3 at both passes", attempts)
		}
	})
}

// The second pass takes part in all that the first did: redeliveries join it,
// and what comes for its key waits for it.
func TestArrivalsDuringTheSecondPass(t *testing.T) {
	var j journal
	bubble(t, func(a *eds.App) {
		a.Use(deadLetter(func(context.Context, *eds.Event) error { time.Sleep(10 * time.Second); return nil }))
		a.Handle("*", func(_ context.Context, e *eds.Event) error {
			j.add("start %s", e.ID)
			if e.ID == "a1" {
				panic("boom")
			}
			return nil
		})
	}, func(t *testing.T, r *running) {
		r.deliver("a1", "X", "R1")
		time.Sleep(time.Second)
		r.deliver("a1", "X", "R2")
		r.deliver("a2", "X", "R3")
		time.Sleep(time.Second)
		r.deliver("a3", "X", "R4")
		time.Sleep(time.Minute)
		r.want(t, "ack R2", "ack R1", "ack R3", "ack R4")
		j.want(t, "start a1", "start a2", "start a3")
	}, eds.Concurrency(4), eds.OrderBy(func(e *eds.Event) string { return e.ID[:1] }))
}

// A busy stream must not put off the check for stuck handlers, and each is
// given up in its time.
func TestStuckHandlersBesideABusyStream(t *testing.T) {
	var release chan struct{}
	bubbleWith(t, &release, handle(func(_ context.Context, e *eds.Event) error {
		if e.Type == "STUCK" {
			<-release
		}
		return nil
	}), func(t *testing.T, r *running) {
		for second := range 70 {
			if h := r.app.Health(); h.Stuck != min(3, (second+4)/10-3) && second >= 36 && second%10 != 5 {
				t.Errorf("after %ds: stuck %d", second, h.Stuck)
			}
			if second%10 == 0 && second < 30 {
				r.deliver(fmt.Sprint("stuck", second), "STUCK", fmt.Sprint("S", second))
			}
			r.deliver(fmt.Sprint(second), "X", fmt.Sprint("R", second))
			time.Sleep(time.Second)
			synctest.Wait()
		}
	}, eds.Concurrency(8))
}

// A handler that was given up may end in any way; it is counted until then.
func TestStuckHandlerEndsItsGoroutine(t *testing.T) {
	var release chan struct{}
	bubbleWith(t, &release, handle(func(context.Context, *eds.Event) error {
		<-release
		runtime.Goexit()
		return nil
	}), func(t *testing.T, r *running) {
		r.deliver("1", "X", "R1")
		time.Sleep(time.Minute)
		synctest.Wait()
		before := r.app.Health().Stuck
		release <- struct{}{}
		synctest.Wait()
		if after := r.app.Health().Stuck; before != 1 || after != 0 {
			t.Errorf("stuck %d, then %d, want 1 and 0", before, after)
		}
	})
}

// When it is the acknowledgement that hangs, the shutdown says so, but the
// handler is not stuck.
func TestShutdownDuringASlowAck(t *testing.T) {
	bubble(t, handle(func(context.Context, *eds.Event) error { return nil }), func(t *testing.T, r *running) {
		r.ackWait = time.Minute
		r.deliver("1", "X", "R1")
		time.Sleep(time.Second)
		var drain *eds.DrainError
		if err := r.stop(); !errors.As(err, &drain) || !slices.Equal(drain.Events, []string{"1"}) {
			t.Errorf("Run returned %v", err)
		}
		time.Sleep(time.Hour)
		if h := r.app.Health(); h.Running != 0 || h.Stuck != 0 || h.Outcomes.Total() != 1 {
			t.Errorf("health %+v", h)
		}
	}, eds.DrainTimeout(time.Second))
}

// deaf is a transport whose Nack waits for an answer that never comes.
type deaf struct{ *script }

func (d deaf) Nack(ctx context.Context, _ *eds.Delivery) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestGivingBackDoesNotHoldUpTheShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		app := eds.New(deaf{s})
		app.Handle("*", func(context.Context, *eds.Event) error { time.Sleep(time.Second); return nil })
		for i := range 20 {
			s.deliver(fmt.Sprint(i), "X", fmt.Sprint("R", i))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		start := time.Now()
		if err := app.Run(ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestGivingBackKeepsTheOrder(t *testing.T) {
	bubble(t, handle(func(context.Context, *eds.Event) error { time.Sleep(time.Second); return nil }),
		func(t *testing.T, r *running) {
			var want []string
			for i := range 20 {
				r.deliver(fmt.Sprint(i), "X", fmt.Sprint("R", i))
				want = append(want, fmt.Sprint("nack R", i))
			}
			time.Sleep(100 * time.Millisecond)
			_ = r.stop()
			r.want(t, append(want[1:], "ack R0")...)
		})
}

// The buffer's count of bytes is exact whatever becomes of an event: also when
// a handler changes the payload, against the rules.
func TestBufferIsFreedWhateverHappens(t *testing.T) {
	for name, h := range map[string]eds.Handler{
		"changed": func(_ context.Context, e *eds.Event) error { e.Payload = nil; return nil },
		"panic":   func(context.Context, *eds.Event) error { panic("boom") },
		"goexit":  func(context.Context, *eds.Event) error { runtime.Goexit(); return nil },
		"error":   func(context.Context, *eds.Event) error { return errBoom },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, handle(h), func(t *testing.T, r *running) {
				for i := range 100 {
					r.deliver(fmt.Sprint(i), "X", fmt.Sprint("R", i))
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if n := len(r.log()); n != 100 {
					t.Errorf("%d settled, want 100", n)
				}
			}, eds.Buffer(10, 50))
		})
	}
}

// Every pass has a deadline, and its context ends with it, so that what hangs
// on the context is let go.
func TestEveryPassHasItsContext(t *testing.T) {
	for name, row := range map[string]struct {
		handler eds.Handler
		passes  int
	}{
		"nil":    {func(context.Context, *eds.Event) error { return nil }, 1},
		"panic":  {func(context.Context, *eds.Event) error { panic("boom") }, 2},
		"goexit": {func(context.Context, *eds.Event) error { runtime.Goexit(); return nil }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var contexts []context.Context
			bubble(t, func(a *eds.App) {
				a.Use(func(next eds.Handler) eds.Handler {
					return func(ctx context.Context, e *eds.Event) error {
						contexts = append(contexts, ctx)
						if at, ok := ctx.Deadline(); !ok || time.Until(at) != 25*time.Second {
							t.Errorf("deadline in %v", time.Until(at))
						}
						return next(ctx, e)
					}
				})
				a.Handle("*", row.handler)
			}, func(t *testing.T, r *running) {
				r.deliver("1", "X", "R1")
				r.want(t, "ack R1")
				if len(contexts) != row.passes {
					t.Errorf("%d passes, want %d", len(contexts), row.passes)
				}
				if cause := context.Cause(contexts[0]); name == "goexit" && cause != eds.ErrGoexit {
					t.Errorf("cause %v, want ErrGoexit", cause)
				}
				for i, ctx := range contexts {
					if ctx.Err() != context.Canceled {
						t.Errorf("the context of pass %d: %v", i+1, ctx.Err())
					}
				}
			})
		})
	}
}

// Workers are used again, the last one parked first.
func TestWorkersAreReused(t *testing.T) {
	seen := map[string]bool{}
	var mu sync.Mutex
	bubble(t, handle(func(context.Context, *eds.Event) error {
		var buf [64]byte
		id, _, _ := bytes.Cut(buf[:runtime.Stack(buf[:], false)], []byte("["))
		mu.Lock()
		seen[string(id)] = true
		mu.Unlock()
		time.Sleep(time.Millisecond)
		return nil
	}), func(t *testing.T, r *running) {
		for round := range 20 {
			for i := range 3 {
				r.deliver(fmt.Sprint(round, "-", i), "X", fmt.Sprint("R", round, "-", i))
			}
			time.Sleep(time.Second)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(seen) != 3 {
			t.Errorf("%d goroutines for three events at a time, want 3", len(seen))
		}
	}, eds.Concurrency(8))
}

// What comes when Run's context has ended begins no more, even when the
// transport hands it over nevertheless.
func TestDeliveryAfterTheEnd(t *testing.T) {
	for _, concurrency := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			s := newScript()
			app := eds.New(late{s}, eds.Concurrency(concurrency))
			app.Handle("*", func(context.Context, *eds.Event) error { t.Error("handled"); return nil })
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := app.Run(ctx); err != nil {
				t.Error(err)
			}
			s.want(t, "nack R1")
		})
	}
}

type late struct{ *script }

func (late) Receive(ctx context.Context) (*eds.Delivery, error) {
	<-ctx.Done()
	return &eds.Delivery{Event: eds.Event{ID: "1", Type: "X"}, Receipt: "R1"}, nil
}

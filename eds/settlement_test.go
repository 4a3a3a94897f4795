package eds_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
)

// deadLetter stands for middleware.DeadLetter, which this package must not
// import.
func deadLetter(sink eds.Handler) eds.Middleware {
	return func(next eds.Handler) eds.Handler {
		return func(ctx context.Context, e *eds.Event) error {
			err := next(ctx, e)
			if eds.OutcomeOf(err) != eds.Failed {
				return err
			}
			if sinkErr := sink(ctx, e); sinkErr != nil {
				return eds.Redeliver(errors.Join(err, sinkErr))
			}
			return eds.DeadLettered(err)
		}
	}
}

// TestSettlement holds every row of the settlement table.
func TestSettlement(t *testing.T) {
	took := func(context.Context, *eds.Event) error { return nil }
	full := func(context.Context, *eds.Event) error { return errors.New("disk full") }
	returns := func(err error) eds.Handler {
		return func(context.Context, *eds.Event) error { return err }
	}
	rows := []struct {
		rule    string
		handler eds.Handler
		sink    eds.Handler // nil: no dead-letter middleware
		outcome eds.Outcome
		settled string
	}{
		{"nil is handled", returns(nil), nil, eds.Handled, "ack"},
		{"done already is a duplicate", returns(eds.ErrDuplicate), nil, eds.Duplicate, "ack"},
		{"a wrapped duplicate is one", returns(fmt.Errorf("store: %w", eds.ErrDuplicate)), nil, eds.Duplicate, "ack"},
		{"a duplicate is not dead-lettered", returns(eds.ErrDuplicate), took, eds.Duplicate, "ack"},
		{"an error is dead-lettered", returns(errBoom), took, eds.DeadLetter, "ack"},
		{"a permanent error is dead-lettered", returns(eds.Permanent(errBoom)), took, eds.DeadLetter, "ack"},
		{"an error without dead letters fails and is acknowledged", returns(errBoom), nil, eds.Failed, "ack"},
		{"a failing dead letter leaves the event", returns(errBoom), full, eds.Redelivered, "nack"},
		{"a handler may ask for redelivery", returns(eds.Redeliver(errBoom)), nil, eds.Redelivered, "nack"},
		{"what asks for redelivery is not dead-lettered", returns(eds.Redeliver(errBoom)), took, eds.Redelivered, "nack"},
		{"redelivery needs no reason", returns(eds.Redeliver(nil)), nil, eds.Redelivered, "nack"},
		{"a panic is an error", func(context.Context, *eds.Event) error { panic("boom") }, nil, eds.Failed, "ack"},
		{"a panic reaches the dead letters", func(context.Context, *eds.Event) error { panic(errBoom) }, took, eds.DeadLetter, "ack"},
		{"panic(nil) is a panic", func(context.Context, *eds.Event) error { panic(nil) }, took, eds.DeadLetter, "ack"},
		{"Goexit is an error", func(context.Context, *eds.Event) error { runtime.Goexit(); return nil }, nil, eds.Failed, "ack"},
		{"Goexit reaches the dead letters", func(context.Context, *eds.Event) error { runtime.Goexit(); return nil }, took, eds.DeadLetter, "ack"},
		{"a panic whose dead letter fails leaves the event", func(context.Context, *eds.Event) error { panic("boom") }, full, eds.Redelivered, "nack"},
		{"a handler that blocks for ever is given up", func(ctx context.Context, _ *eds.Event) error { <-make(chan int); return nil }, took, eds.DeadLetter, "ack"},
	}
	for _, concurrency := range []int{1, 4} {
		for _, row := range rows {
			t.Run(fmt.Sprintf("%s/concurrency_%d", row.rule, concurrency), func(t *testing.T) {
				var settled []eds.Settled
				release := make(chan struct{})
				build := func(a *eds.App) {
					a.Use(func(next eds.Handler) eds.Handler {
						return func(ctx context.Context, e *eds.Event) error {
							eds.OnSettled(ctx, func(s eds.Settled) {
								if e.ID == "1" {
									settled = append(settled, s)
								}
							})
							return next(ctx, e)
						}
					})
					if row.sink != nil {
						a.Use(deadLetter(row.sink))
					}
					a.Handle("X", row.handler)
					a.Handle("NEXT", func(context.Context, *eds.Event) error { return nil })
				}
				if strings.Contains(row.rule, "blocks for ever") {
					// A goroutine that is really never released would fail the
					// bubble; this one outlives the App, which is the point.
					row.handler = func(context.Context, *eds.Event) error { <-release; return nil }
				}
				synctestRow := func(t *testing.T, r *running) {
					r.deliver("1", "X", "R1")
					time.Sleep(time.Minute) // fake: past deadline and grace
					r.want(t, row.settled+" R1")
					r.deliver("2", "NEXT", "R2")
					r.want(t, row.settled+" R1", "ack R2")
					if len(settled) == 0 {
						t.Fatal("OnSettled was not called")
					}
					last := settled[len(settled)-1]
					if len(settled) != 1 || last.Outcome != row.outcome || last.Deliveries != 1 {
						t.Errorf("settled %+v, want once with %v", settled, row.outcome)
					}
					if got := r.app.Health().Outcomes[row.outcome]; got == 0 {
						t.Errorf("Health counts %v", r.app.Health().Outcomes)
					}
					if r.app.Health().Outcomes.Total() != 2 {
						t.Errorf("Health counts %v, want 2 in all", r.app.Health().Outcomes)
					}
				}
				if strings.Contains(row.rule, "blocks for ever") {
					bubbleWith(t, &release, build, synctestRow, eds.Concurrency(concurrency))
					return
				}
				bubble(t, build, synctestRow, eds.Concurrency(concurrency))
			})
		}
	}
}

// bubbleWith makes the channel inside of the bubble and closes it at the end.
func bubbleWith(t *testing.T, release *chan struct{}, build func(*eds.App), f func(*testing.T, *running), opts ...eds.Option) {
	bubble(t, func(a *eds.App) {
		*release = make(chan struct{})
		build(a)
	}, func(t *testing.T, r *running) {
		defer func() { close(*release); synctest.Wait() }()
		f(t, r)
	}, opts...)
}

func TestUnsupportedTypeIsAcknowledged(t *testing.T) {
	bubble(t, func(a *eds.App) {
		a.Use(deadLetter(func(context.Context, *eds.Event) error { t.Error("dead-lettered"); return nil }))
		a.Handle("KNOWN", func(context.Context, *eds.Event) error { return nil })
	}, func(t *testing.T, r *running) {
		r.deliver("1", "UNKNOWN", "R1")
		r.want(t, "ack R1")
		if got := r.app.Health().Outcomes[eds.Unsupported]; got != 1 {
			t.Errorf("unsupported %d, want 1", got)
		}
	})
}

// A delivery that cannot be read never reaches a handler, but it reaches the
// dead letters, and is not tried again.
func TestUnreadableDelivery(t *testing.T) {
	var got *eds.Event
	tries := 0
	bubble(t, func(a *eds.App) {
		a.Use(deadLetter(func(_ context.Context, e *eds.Event) error { got = e; return nil }))
		a.Use(func(next eds.Handler) eds.Handler {
			return func(ctx context.Context, e *eds.Event) error {
				tries++
				err := next(ctx, e)
				if !eds.IsPermanent(err) {
					t.Errorf("%v is not permanent", err)
				}
				return err
			}
		})
		a.Handle("*", func(context.Context, *eds.Event) error { t.Error("handled"); return nil })
	}, func(t *testing.T, r *running) {
		for _, receipt := range []string{"R1", "R2"} { // two without an id are two
			r.in <- &eds.Delivery{Event: eds.Event{Payload: []byte("{")}, Receipt: receipt, Err: errBoom}
		}
		r.want(t, "ack R1", "ack R2")
		if got == nil || string(got.Payload) != "{" || tries != 2 {
			t.Errorf("dead letter %+v after %d tries", got, tries)
		}
	})
}

// Recovery is outermost as well as innermost: a middleware that panics after
// the handler succeeded must not take the process down, nor get the event
// acknowledged as if nothing had happened.
func TestPanicInMiddleware(t *testing.T) {
	faults.Covers(t, "C16")
	calls := 0
	bubble(t, func(a *eds.App) {
		a.Use(func(next eds.Handler) eds.Handler {
			return func(ctx context.Context, e *eds.Event) error {
				_ = next(ctx, e)
				if e.ID == "1" {
					panic("a broken logger")
				}
				return nil
			}
		})
		a.Handle("*", func(context.Context, *eds.Event) error { calls++; return nil })
	}, func(t *testing.T, r *running) {
		r.deliver("1", "X", "R1")
		r.deliver("2", "X", "R2")
		r.want(t, "nack R1", "ack R2")
		if calls != 2 {
			t.Errorf("handler ran %d times, want once per event", calls)
		}
	})
}

// The same for a middleware that ends the goroutine, at each pass.
func TestGoexitInMiddleware(t *testing.T) {
	faults.Covers(t, "C2", "C16")
	bubble(t, func(a *eds.App) {
		a.Use(func(next eds.Handler) eds.Handler {
			return func(ctx context.Context, e *eds.Event) error {
				if e.ID == "1" {
					runtime.Goexit()
				}
				return next(ctx, e)
			}
		})
		a.Handle("*", func(context.Context, *eds.Event) error { return nil })
	}, func(t *testing.T, r *running) {
		r.deliver("1", "X", "R1")
		r.deliver("2", "X", "R2")
		r.want(t, "nack R1", "ack R2")
	})
}

func TestPanicInObserver(t *testing.T) {
	faults.Covers(t, "C16")
	bubble(t, func(a *eds.App) {
		a.Use(func(next eds.Handler) eds.Handler {
			return func(ctx context.Context, e *eds.Event) error {
				eds.OnSettled(ctx, func(eds.Settled) { panic("observer") })
				return next(ctx, e)
			}
		})
		a.Handle("*", func(context.Context, *eds.Event) error { return nil })
	}, func(t *testing.T, r *running) {
		r.deliver("1", "X", "R1")
		r.deliver("2", "X", "R2")
		r.want(t, "ack R1", "ack R2")
	})
}

// The second pass after a loss is the same run to a claim, but has an Event
// and a context of its own.
func TestSecondPass(t *testing.T) {
	var ids []uint64
	var events []*eds.Event
	var contexts []context.Context
	var mu sync.Mutex // the two passes run beside each other
	var release chan struct{}
	bubbleWith(t, &release, func(a *eds.App) {
		a.Use(func(next eds.Handler) eds.Handler {
			return func(ctx context.Context, e *eds.Event) error {
				mu.Lock()
				ids, events, contexts = append(ids, eds.RunID(ctx)), append(events, e), append(contexts, ctx)
				mu.Unlock()
				return next(ctx, e)
			}
		})
		a.Handle("*", func(context.Context, *eds.Event) error { <-release; return nil })
	}, func(t *testing.T, r *running) {
		r.deliver("1", "X", "R1")
		time.Sleep(25*time.Second + 10*time.Second - time.Nanosecond)
		r.want(t)
		time.Sleep(time.Nanosecond)
		r.want(t, "ack R1")
		mu.Lock()
		defer mu.Unlock()
		if len(ids) != 2 || ids[0] != ids[1] || ids[0] == 0 {
			t.Fatalf("run ids %v, want the same one twice", ids)
		}
		if events[0] == events[1] {
			t.Error("both passes share an Event")
		}
		if cause := context.Cause(contexts[0]); !errors.Is(cause, eds.ErrHandlerTimeout) && !errors.Is(cause, eds.ErrStuck) {
			t.Errorf("the first pass's context ended with %v", cause)
		}
		if h := r.app.Health(); h.Stuck != 1 || h.Running != 0 {
			t.Errorf("health %+v, want one stuck and none running", h)
		}
	})
}

func TestRefuse(t *testing.T) {
	var seen error
	bubble(t, func(a *eds.App) {
		a.Use(func(next eds.Handler) eds.Handler {
			return func(ctx context.Context, e *eds.Event) error {
				eds.Refuse(ctx, errBoom)
				return next(ctx, e)
			}
		}, deadLetter(func(context.Context, *eds.Event) error { return nil }), func(next eds.Handler) eds.Handler {
			return func(ctx context.Context, e *eds.Event) error {
				seen = next(ctx, e)
				return seen
			}
		})
		a.Handle("*", func(context.Context, *eds.Event) error { t.Error("handled"); return nil })
	}, func(t *testing.T, r *running) {
		r.deliver("1", "X", "R1")
		r.want(t, "ack R1")
		if !errors.Is(seen, errBoom) || !eds.IsPermanent(seen) {
			t.Errorf("dispatch returned %v", seen)
		}
	})
	if eds.Refuse(context.Background(), errBoom) {
		t.Error("refused outside of an App")
	}
}

package middleware

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/dedupe/lru"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
)

// spy is a store in memory that can be looked at and made to fail.
type spy struct {
	*lru.Store
	mu                                sync.Mutex
	claims, commits, releases, renews int
	claimErr, commitErr, renewErr     error
	lost                              bool // Renew answers false
}

func newSpy(t *testing.T) *spy {
	t.Helper()
	s, err := lru.New()
	if err != nil {
		t.Fatal(err)
	}
	return &spy{Store: s}
}

func (s *spy) Claim(ctx context.Context, h dedupe.Hold) (dedupe.Claim, error) {
	s.mu.Lock()
	s.claims++
	err := s.claimErr
	s.mu.Unlock()
	if err != nil {
		return dedupe.Claim{}, err
	}
	return s.Store.Claim(ctx, h)
}

func (s *spy) Commit(ctx context.Context, h dedupe.Hold, r dedupe.Result) (bool, error) {
	s.mu.Lock()
	s.commits++
	err := s.commitErr
	s.mu.Unlock()
	if err != nil {
		return false, err
	}
	return s.Store.Commit(ctx, h, r)
}

func (s *spy) Release(ctx context.Context, h dedupe.Hold) (bool, error) {
	s.mu.Lock()
	s.releases++
	s.mu.Unlock()
	return s.Store.Release(ctx, h)
}

func (s *spy) Renew(ctx context.Context, h dedupe.Hold) (bool, error) {
	s.mu.Lock()
	s.renews++
	lost, err := s.lost, s.renewErr
	s.mu.Unlock()
	if lost || err != nil {
		return false, err
	}
	return s.Store.Renew(ctx, h)
}

func (s *spy) renewals() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.renews
}

func (s *spy) set(f func(*spy)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// rival is the claim of another worker for event().
func rival(lease time.Duration) dedupe.Hold {
	e := event()
	return dedupe.Hold{Key: dedupe.Key("", e.Source, e.Queue, e.ID), Token: dedupe.NewToken(), Lease: lease}
}

// state claims event() for another worker, to see what its record says.
func (s *spy) state(t *testing.T) dedupe.Claim {
	t.Helper()
	c, err := s.Store.Claim(t.Context(), rival(time.Nanosecond))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDedupeSettlesByOutcome(t *testing.T) {
	for name, row := range map[string]struct {
		returned error
		outcome  eds.Outcome
		state    dedupe.ClaimState
		result   dedupe.Result
	}{
		"handled":               {nil, eds.Handled, dedupe.Done, dedupe.Succeeded},
		"duplicate":             {eds.ErrDuplicate, eds.Duplicate, dedupe.Done, dedupe.Succeeded},
		"unsupported":           {eds.ErrUnsupported, eds.Unsupported, dedupe.Done, dedupe.Skipped},
		"dead-lettered":         {eds.DeadLettered(errBoom), eds.DeadLetter, dedupe.Done, dedupe.Parked},
		"failed is acked":       {errBoom, eds.Failed, dedupe.Done, dedupe.Failed},
		"redeliver":             {eds.Redeliver(errBoom), eds.Redelivered, dedupe.Acquired, 0},
		"dead letter not saved": {eds.Redeliver(&SinkError{errBoom}), eds.Redelivered, dedupe.Acquired, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpy(t)
			e := event()
			err := Dedupe(s)(func(_ context.Context, e *eds.Event) error {
				if c := s.state(t); c.State != dedupe.Busy {
					t.Errorf("while the handler runs the record is %v", c.State)
				}
				return row.returned
			})(t.Context(), e)
			mustBe(t, err, row.outcome)
			if !errors.Is(err, row.returned) {
				t.Errorf("%v does not contain %v", err, row.returned)
			}
			if c := s.state(t); c.State != row.state || c.Result != row.result {
				t.Errorf("the record is %+v, want %v, %v", c, row.state, row.result)
			}
		})
	}
}

func TestDedupeRunsOnce(t *testing.T) {
	s := newSpy(t)
	calls := 0
	h := Dedupe(s)(returns(&calls, eds.Redeliver(errBoom)))
	mustBe(t, h(t.Context(), event()), eds.Redelivered, errBoom)
	second := event()
	mustBe(t, h(t.Context(), second), eds.Handled)
	if second.Attempt != 2 {
		t.Errorf("attempt %d, want 2", second.Attempt)
	}
	mustBe(t, h(t.Context(), event()), eds.Duplicate, eds.ErrDuplicate)
	elsewhere := event()
	elsewhere.Queue = "other-queue"
	mustBe(t, h(t.Context(), elsewhere), eds.Handled) // D22
	if calls != 3 {
		t.Errorf("%d calls, want 3", calls)
	}
}

func TestDedupeGroupsAreApart(t *testing.T) {
	s := newSpy(t)
	for _, group := range []string{"crm", "billing"} {
		h := Dedupe(s, DedupeGroup(group))(always(nil))
		mustBe(t, h(t.Context(), event()), eds.Handled)
		mustBe(t, h(t.Context(), event()), eds.Duplicate, eds.ErrDuplicate)
	}
}

func TestDedupeKeepsAHigherAttempt(t *testing.T) {
	e := event()
	e.Attempt = 7 // the service counts too
	mustBe(t, Dedupe(newSpy(t))(always(nil))(t.Context(), e), eds.Handled)
	if e.Attempt != 7 {
		t.Errorf("attempt %d, want 7", e.Attempt)
	}
}

func TestDedupePassesOnWhatHasNoID(t *testing.T) {
	s := newSpy(t)
	calls := 0
	for range 2 {
		mustBe(t, Dedupe(s)(returns(&calls))(t.Context(), &eds.Event{}), eds.Handled)
	}
	if calls != 2 || s.claims != 0 {
		t.Errorf("%d calls and %d claims, want 2 and 0", calls, s.claims)
	}
}

func TestDedupeReleasesOnPanicAndGoexit(t *testing.T) {
	for name, h := range map[string]eds.Handler{
		"panic":  func(context.Context, *eds.Event) error { panic("boom") },
		"goexit": func(context.Context, *eds.Event) error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpy(t)
			var recovered any
			var wg sync.WaitGroup
			wg.Go(func() {
				defer func() { recovered = recover() }()
				Dedupe(s)(h)(t.Context(), event())
			})
			wg.Wait()
			if name == "panic" && recovered != "boom" {
				t.Errorf("recovered %v", recovered)
			}
			if c := s.state(t); c.State != dedupe.Acquired || c.Attempt != 2 || c.Abandoned != 0 {
				t.Errorf("the record is %+v, want it free with one attempt", c)
			}
		})
	}
}

func TestDedupeWithABrokenStore(t *testing.T) {
	faults.Covers(t, "D6", "D9")
	s := newSpy(t)
	calls := 0
	h := Dedupe(s)(returns(&calls))
	s.claimErr = dedupe.ErrUnavailable
	mustBe(t, h(t.Context(), event()), eds.Redelivered, dedupe.ErrUnavailable)
	if calls != 0 {
		t.Error("the handler ran without a claim")
	}
	s.claimErr, s.commitErr = nil, dedupe.ErrUnavailable
	mustBe(t, h(t.Context(), event()), eds.Handled) // D6: the effect has happened
	if calls != 1 || s.commits != 1 {
		t.Errorf("%d calls, %d commits", calls, s.commits)
	}
}

func TestDedupeWaitsForAnotherWorker(t *testing.T) {
	faults.Covers(t, "D27")
	for name, row := range map[string]struct {
		other   func(*spy, dedupe.Hold) // what the other worker does after 3 s
		lease   time.Duration
		outcome eds.Outcome
		is      error
		calls   int
		took    time.Duration // at most
	}{
		"finishes":    {func(s *spy, h dedupe.Hold) { s.Store.Commit(context.Background(), h, 0) }, time.Minute, eds.Duplicate, eds.ErrDuplicate, 0, 5 * time.Second},
		"gives up":    {func(s *spy, h dedupe.Hold) { s.Store.Release(context.Background(), h) }, time.Minute, eds.Handled, nil, 1, 5 * time.Second},
		"dies":        {func(*spy, dedupe.Hold) {}, 4 * time.Second, eds.Handled, nil, 1, 4*time.Second + 10*time.Millisecond},
		"goes on":     {func(*spy, dedupe.Hold) {}, time.Minute, eds.Redelivered, dedupe.ErrBusy, 0, 25 * time.Second},
		"store fails": {func(s *spy, _ dedupe.Hold) { s.set(func(s *spy) { s.claimErr = dedupe.ErrUnavailable }) }, time.Minute, eds.Redelivered, dedupe.ErrUnavailable, 0, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSpy(t)
				h := rival(row.lease)
				s.Store.Claim(t.Context(), h)
				time.AfterFunc(3*time.Second, func() { row.other(s, h) })
				calls, start := 0, time.Now()
				err := Dedupe(s)(returns(&calls))(t.Context(), event())
				if row.is == nil {
					mustBe(t, err, row.outcome)
				} else {
					mustBe(t, err, row.outcome, row.is)
				}
				if calls != row.calls {
					t.Errorf("%d calls, want %d", calls, row.calls)
				}
				if took := time.Since(start); took > row.took || took < 3*time.Second {
					t.Errorf("took %v, want 3s to %v", took, row.took)
				}
				if s.claims > 30 { // D27: 25 s at 2 s each, and some at the start
					t.Errorf("asked %d times", s.claims)
				}
			})
		})
	}
}

func TestDedupeStopsWaitingWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpy(t)
		s.Store.Claim(t.Context(), rival(time.Hour))
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(eds.ErrShutdown) })
		start := time.Now()
		mustBe(t, Dedupe(s)(always(nil))(ctx, event()), eds.Redelivered, dedupe.ErrBusy, eds.ErrShutdown)
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// C7: a run of ten minutes keeps its lease of half a minute.
func TestDedupeRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpy(t)
		var wg sync.WaitGroup
		d := Dedupe(s)
		handle := d(func(ctx context.Context, _ *eds.Event) error {
			select {
			case <-time.After(10 * time.Minute):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
		wg.Go(func() { mustBe(t, handle(t.Context(), event()), eds.Handled) })
		for range 599 {
			time.Sleep(time.Second)
			if c := s.state(t); c.State != dedupe.Busy {
				t.Fatalf("the record is %+v", c)
			}
		}
		wg.Wait()
		if n := s.renewals(); n < 55 || n > 65 {
			t.Errorf("%d renewals in 10 minutes, want one every 10 s", n)
		}
		// Short runs never ask.
		synctest.Wait() // a renewal may have been due at the same moment
		before := s.renewals()
		quick := d(func(context.Context, *eds.Event) error { time.Sleep(time.Second); return nil })
		for i := range 100 {
			e := event()
			e.ID = strings.Repeat("x", i)
			quick(t.Context(), e)
		}
		time.Sleep(time.Hour)
		if n := s.renewals(); n != before {
			t.Errorf("%d renewals of short runs", n-before)
		}
	})
}

// A handler that goes on after its context has ended keeps nobody from taking
// the event over.
func TestDedupeDoesNotRenewForAStuckHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpy(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			Dedupe(s)(func(context.Context, *eds.Event) error { time.Sleep(time.Hour); return nil })(ctx, event())
		})
		time.Sleep(time.Minute)
		if c := s.state(t); c.State != dedupe.Busy {
			t.Errorf("the record is %+v before the deadline", c)
		}
		time.Sleep(31 * time.Second)
		if c := s.state(t); c.State != dedupe.Acquired || c.Abandoned != 1 {
			t.Errorf("the record is %+v a lease after the deadline", c)
		}
		wg.Wait()
	})
}

// C7: what happens to a run whose lease is lost.
func TestDedupeLosesItsLease(t *testing.T) {
	faults.Covers(t, "C7", "D8")
	for name, row := range map[string]struct {
		breakIt func(*spy)
		after   time.Duration // at most
	}{
		"somebody else has it":      {func(s *spy) { s.lost = true }, 10 * time.Second},
		"the store does not tell":   {func(s *spy) { s.renewErr = dedupe.ErrUnavailable }, 30 * time.Second},
		"the store answers wrongly": {func(s *spy) { s.renewErr = errBoom }, 30 * time.Second},
	} {
		for _, looks := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", the handler obeys", false: ", the handler succeeds"}[looks], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSpy(t)
					row.breakIt(s)
					start := time.Now()
					err := Dedupe(s)(func(ctx context.Context, _ *eds.Event) error {
						inner := eds.WithTimeout(ctx, time.Hour, nil)
						defer inner.Cancel()
						if !looks {
							time.Sleep(time.Minute)
							if !errors.Is(inner.Err(), context.Canceled) {
								t.Errorf("the context's error is %v", inner.Err())
							}
							return nil
						}
						<-inner.Done()
						if took := time.Since(start); took > row.after {
							t.Errorf("told after %v, want at most %v", took, row.after)
						}
						if cause := context.Cause(inner); cause != dedupe.ErrLeaseLost {
							t.Errorf("the cause is %v", cause)
						}
						return inner.Err()
					})(t.Context(), event())
					if looks {
						mustBe(t, err, eds.Redelivered, context.Canceled)
						return
					}
					mustBe(t, err, eds.Handled)
					if c := s.state(t); c.State != dedupe.Done { // success wins
						t.Errorf("the record is %+v", c)
					}
				})
			})
		}
	}
}

// A shutdown that interrupts a handler is not the event's failure, also where
// there is no dead letter that would tell the two apart.
func TestDedupeReleasesWhatAShutdownInterrupts(t *testing.T) {
	s := newSpy(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	err := Dedupe(s)(func(ctx context.Context, _ *eds.Event) error {
		cancel(eds.ErrShutdown)
		<-ctx.Done()
		return context.Cause(ctx)
	})(ctx, event())
	mustBe(t, err, eds.Redelivered, eds.ErrShutdown)
	if c := s.state(t); c.State != dedupe.Acquired || c.Abandoned != 0 {
		t.Errorf("the record is %+v, want it free", c)
	}
}

// C3: an event that kills its workers is not run for ever.
func TestDedupeRefusesWhatKillsWorkers(t *testing.T) {
	faults.Covers(t, "C3")
	abandon := func(t *testing.T, s *spy, key string, n int) {
		for range n {
			h := dedupe.Hold{Key: key, Token: dedupe.NewToken(), Lease: time.Second}
			if c, err := s.Store.Claim(t.Context(), h); err != nil || c.State != dedupe.Acquired {
				t.Fatal(c, err)
			}
			time.Sleep(time.Second) // the worker dies
		}
	}
	t.Run("outside of an App", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSpy(t)
			abandon(t, s, rival(0).Key, 3)
			calls := 0
			err := Dedupe(s, MaxAbandoned(3))(returns(&calls))(t.Context(), event())
			mustBe(t, err, eds.Failed)
			if abandoned, ok := errors.AsType[*AbandonedError](err); !ok || abandoned.Abandoned != 2 && abandoned.Abandoned != 3 || !eds.IsPermanent(err) {
				t.Errorf("%v", err)
			}
			if calls != 0 {
				t.Error("it ran")
			}
			if c := s.state(t); c.State != dedupe.Acquired {
				t.Errorf("the record is %+v, want it free for the caller to decide", c)
			}
		})
	})
	t.Run("in an App", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSpy(t)
			key := dedupe.Key("", "memory:my-queue", "my-queue", "1")
			var calls atomic.Int32
			var letters []*eds.Event
			h := func(_ context.Context, e *eds.Event) error {
				calls.Add(1)
				return nil
			}
			var source string
			look := func(next eds.Handler) eds.Handler {
				return func(ctx context.Context, e *eds.Event) error {
					source = e.Source
					key = dedupe.Key("", e.Source, e.Queue, e.ID)
					abandon(t, s, key, 5)
					return next(ctx, e)
				}
			}
			sink := func(_ context.Context, e *eds.Event) error { letters = append(letters, e); return nil }
			mws := []eds.Middleware{look, Dedupe(s), DeadLetter(sink), Retry(), Recover()}
			runApp(t, h, mws, []eds.Event{named("1", "TENANT_KILLER")}, nil, func(app *eds.App) {
				time.Sleep(time.Minute)
				if o := app.Health().Outcomes; o[eds.DeadLetter] != 1 || o.Total() != 1 {
					t.Errorf("outcomes %v", o)
				}
			})
			if calls.Load() != 0 || len(letters) != 1 || !strings.Contains(letters[0].Attributes[KeyError], "5 workers ended") {
				t.Errorf("%d calls, dead letters %v (source %q)", calls.Load(), letters, source)
			}
			c, err := s.Store.Claim(t.Context(), dedupe.Hold{Key: key, Token: dedupe.NewToken()})
			if err != nil || c.State != dedupe.Done || c.Result != dedupe.Parked {
				t.Errorf("the record is %+v, %v, want it parked", c, err)
			}
		})
	})
}

// A handler that panics past everything, ends its goroutine or gets stuck: the
// App's second pass owns the claim of the first, and parks the event at once.
func TestDedupeGoesOnInASecondPass(t *testing.T) {
	for name, h := range map[string]eds.Handler{
		"panic":  func(context.Context, *eds.Event) error { panic("pow") },
		"goexit": func(context.Context, *eds.Event) error { runtime.Goexit(); return nil },
		"stuck":  func(context.Context, *eds.Event) error { time.Sleep(5 * time.Minute); return errBoom },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSpy(t)
				var letters atomic.Int32
				sink := func(context.Context, *eds.Event) error { letters.Add(1); return nil }
				var took time.Duration
				var key string
				watch := func(next eds.Handler) eds.Handler {
					return func(ctx context.Context, e *eds.Event) error {
						start := time.Now()
						key = dedupe.Key("", e.Source, e.Queue, e.ID)
						eds.OnSettled(ctx, func(eds.Settled) { took = time.Since(start) })
						return next(ctx, e)
					}
				}
				mws := []eds.Middleware{watch, Dedupe(s), DeadLetter(sink)}
				runApp(t, h, mws, []eds.Event{named("1", "TENANT_X")}, nil, func(app *eds.App) {
					time.Sleep(10 * time.Minute)
					if o := app.Health().Outcomes; o[eds.DeadLetter] != 1 || o.Total() != 1 {
						t.Errorf("outcomes %v", o)
					}
				})
				if letters.Load() != 1 {
					t.Errorf("%d dead letters", letters.Load())
				}
				if took > time.Minute {
					t.Errorf("took %v: the second pass waited for the first one's claim", took)
				}
				// Also after the first pass has come back, too late.
				c, err := s.Store.Claim(t.Context(), dedupe.Hold{Key: key, Token: dedupe.NewToken()})
				if err != nil || c.State != dedupe.Done || c.Result != dedupe.Parked {
					t.Errorf("the record is %+v, %v, want it parked", c, err)
				}
			})
		})
	}
}

func TestDedupeCounts(t *testing.T) {
	faults.Covers(t, "D23")
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	s := newSpy(t)
	calls := 0
	h := Dedupe(s, DedupeMeterProvider(provider), ComparePayloads())(returns(&calls))
	h(t.Context(), event())
	h(t.Context(), event())
	changed := event()
	changed.Payload = []byte(`{"secret":"another"}`)
	h(t.Context(), changed)
	s.claimErr = dedupe.ErrUnavailable
	h(t.Context(), event())

	var got metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]int64)
	for _, scope := range got.ScopeMetrics {
		for _, m := range scope.Metrics {
			for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
				counts[m.Name] += p.Value
				if q, _ := p.Attributes.Value("messaging.destination.name"); q.AsString() != "my-queue" {
					t.Errorf("%s has the attributes %v", m.Name, p.Attributes)
				}
			}
		}
	}
	for name, want := range map[string]int64{"eds.dedupe.hits": 2, "eds.dedupe.changed": 1, "eds.dedupe.store.errors": 1} {
		if counts[name] != want {
			t.Errorf("%s is %d, want %d", name, counts[name], want)
		}
	}
}

// What Dedupe adds to a new event: the key, the context, and the store's
// record with its place in the list.
func TestDedupeAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("allocations cannot be told under the race detector")
	}
	s, err := lru.New(lru.Size(64))
	if err != nil {
		t.Fatal(err)
	}
	h := Dedupe(s)(always(nil))
	ids := make([]string, 2000)
	for i := range ids {
		ids[i] = strings.Repeat("i", i%50) + string(rune('a'+i%26)) + string(rune('A'+i/26%26)) + string(rune('0'+i/676))
	}
	i, e, ctx := 0, event(), context.Background()
	if n := testing.AllocsPerRun(1000, func() {
		e.ID = ids[i]
		i++
		h(ctx, e)
	}); n > 5 {
		t.Errorf("%v allocations, want at most 5", n)
	} else {
		t.Logf("%v allocations", n)
	}
}

func TestDedupeWithoutAStore(t *testing.T) {
	if Dedupe(nil) != nil {
		t.Error("an App cannot refuse it")
	}
}

package middleware

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/memory"
)

// runApp runs an App over the given events until body returns, inside a
// synctest bubble.
func runApp(t *testing.T, h eds.Handler, mws []eds.Middleware, events []eds.Event, opts []eds.Option, body func(*eds.App)) {
	t.Helper()
	queue := memory.New("my-queue")
	app := eds.New(queue, append([]eds.Option{eds.Logger(discard)}, opts...)...)
	app.Use(mws...)
	app.Handle("TENANT_*", h)
	for _, e := range events {
		if err := queue.Publish(e); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := app.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	body(app)
	stop()
	running.Wait()
}

func named(id, eventType string) eds.Event {
	return eds.Event{ID: id, Type: eventType, Payload: []byte(`{}`)}
}

// A handler that is given up and returns an error later has been dead-lettered
// by the App's second pass. Once is enough.
func TestDeadLetterOnceForAStuckHandler(t *testing.T) {
	for name, h := range map[string]eds.Handler{
		"ignores its context": func(context.Context, *eds.Event) error {
			time.Sleep(time.Minute)
			return errBoom
		},
		"has looked at its context": func(ctx context.Context, _ *eds.Event) error {
			<-ctx.Done()
			time.Sleep(time.Minute)
			return errBoom
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var kinds []string
				sink := func(_ context.Context, e *eds.Event) error {
					mu.Lock()
					defer mu.Unlock()
					kinds = append(kinds, e.Attributes[KeyKind])
					return nil
				}
				mws := []eds.Middleware{DeadLetter(sink), Retry(), Timeout(time.Second), Recover()}
				runApp(t, h, mws, []eds.Event{named("1", "TENANT_STUCK")}, nil, func(app *eds.App) {
					time.Sleep(5 * time.Minute)
					mu.Lock()
					defer mu.Unlock()
					if len(kinds) != 1 || kinds[0] != KindStuck {
						t.Errorf("dead letters of kinds %q, want one, stuck", kinds)
					}
					if o := app.Health().Outcomes; o[eds.DeadLetter] != 1 || o.Total() != 1 {
						t.Errorf("outcomes %v", o)
					}
				})
			})
		})
	}
}

// What gets past Recover reaches the dead letter all the same.
func TestDeadLetterOfGoexitAndForgottenRecover(t *testing.T) {
	for kind, h := range map[string]eds.Handler{
		KindGoexit: func(context.Context, *eds.Event) error { runtime.Goexit(); return nil },
		KindPanic:  explode("pow"),
	} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s shelf
				runApp(t, h, []eds.Middleware{DeadLetter(s.put), Retry()}, []eds.Event{named("1", "TENANT_X")}, nil, func(*eds.App) {
					synctest.Wait()
				})
				if len(s.letters) != 1 || s.letters[0].Attributes[KeyKind] != kind || s.letters[0].Attributes[KeyAttempts] != "1" {
					t.Fatalf("%d letters: %v", len(s.letters), s.letters)
				}
			})
		})
	}
}

func TestDeadLetterShutdownLeavesTheEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s shelf
		queue := memory.New("my-queue")
		app := eds.New(queue, eds.Logger(discard), eds.DrainTimeout(time.Second))
		app.Use(DeadLetter(s.put), Retry(), Timeout(time.Minute), Recover())
		app.Handle("*", func(ctx context.Context, _ *eds.Event) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		if err := queue.Publish(named("1", "X")); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, stop)
		if err := app.Run(ctx); err == nil {
			t.Error("no DrainError")
		} else if _, ok := errors.AsType[*eds.DrainError](err); !ok {
			t.Error(err)
		}
		if o := app.Health().Outcomes; o[eds.Redelivered] != 1 || o.Total() != 1 || len(s.letters) != 0 {
			t.Errorf("outcomes %v, %d letters", o, len(s.letters))
		}
	})
}

// script is a transport that delivers what it was given and then waits.
type script struct {
	mu     sync.Mutex
	left   []*eds.Delivery
	ackErr error
}

func (s *script) Receive(ctx context.Context) (*eds.Delivery, error) {
	s.mu.Lock()
	if len(s.left) > 0 {
		d := s.left[0]
		s.left = s.left[1:]
		s.mu.Unlock()
		return d, nil
	}
	s.mu.Unlock()
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s *script) Ack(context.Context, *eds.Delivery) error  { return s.ackErr }
func (s *script) Nack(context.Context, *eds.Delivery) error { return nil }
func (s *script) Close(context.Context) error               { return nil }

// What cannot be read never reaches a handler, is not retried, and is told
// apart from what a handler failed at.
func TestMalformedDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, letters := newMeter(), shelf{}
		spans, provider := recorder()
		garbage := &eds.Delivery{
			Event:   eds.Event{Type: "random-1", Queue: "my-queue", Source: "eds://eds.example:8443/my-queue", Payload: []byte("garbage")},
			Receipt: "r", Received: time.Now(), Err: errors.New("eventId is missing"),
		}
		app := eds.New(&script{left: []*eds.Delivery{garbage}, ackErr: eds.ErrReceiptLost}, eds.Logger(discard))
		app.Use(Tracing(provider), Metrics(m.option), DeadLetter(letters.put), Retry(OnRetry(func(context.Context, *eds.Event, int, error, time.Duration) {
			t.Error("retried")
		})))
		app.Handle("*", func(context.Context, *eds.Event) error { t.Error("handled"); return nil })
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = app.Run(ctx) })
		synctest.Wait()
		stop()
		running.Wait()

		if len(letters.letters) != 1 || letters.letters[0].Attributes[KeyKind] != KindMalformed {
			t.Fatalf("%v", letters.letters)
		}
		if kind := attrsOf(spans.Ended()[0])["error.type"]; kind != KindMalformed {
			t.Errorf("span: error.type %v", kind)
		}
		got := m.collect(t)
		consumed := "error.type=malformed," + fromQueue + "messaging.operation.name=process,messaging.system=empego_eds," + server
		for name, attrs := range map[string]string{
			"messaging.client.consumed.messages":  consumed,
			"messaging.process.duration":          consumed,
			"eds.outcomes":                        "eds.event.type=_OTHER,eds.outcome=dead-lettered," + fromQueue + "messaging.system=empego_eds," + server,
			"messaging.client.operation.duration": "error.type=receipt_lost," + fromQueue + "messaging.operation.name=ack,messaging.operation.type=settle,messaging.system=empego_eds," + server,
		} {
			if len(got[name]) != 1 || got[name][attrs].value != 1 {
				t.Errorf("%s: %v", name, got[name])
			}
		}
	})
}

// Every delivery has an outcome: the redeliveries that joined a run, too.
func TestMetricsCountJoinedDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter()
		deliver := func(receipt string) *eds.Delivery {
			e := named("1", "TENANT_X")
			e.Time = time.Now().Add(time.Hour) // by the clock of another machine
			return &eds.Delivery{Event: e, Receipt: receipt, Received: time.Now()}
		}
		app := eds.New(&script{left: []*eds.Delivery{deliver("a"), deliver("b"), deliver("c")}}, eds.Logger(discard))
		app.Use(Metrics(m.option))
		app.Handle("*", func(context.Context, *eds.Event) error { time.Sleep(time.Second); return nil })
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, stop)
		if err := app.Run(ctx); err != nil {
			t.Fatal(err)
		}
		got := m.collect(t)
		for _, name := range []string{"eds.outcomes", "messaging.client.consumed.messages"} {
			for _, p := range got[name] {
				if p.value != 3 {
					t.Errorf("%s: %v", name, got[name])
				}
			}
		}
		for _, p := range got["eds.event.age"] {
			if p.sum != 0 {
				t.Errorf("an age of %v s", p.sum)
			}
		}
		if len(got["eds.outcomes"]) != 1 {
			t.Error(got["eds.outcomes"])
		}
	})
}

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

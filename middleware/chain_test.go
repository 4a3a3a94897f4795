package middleware

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	mnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/eventdelivery/eds-go/dedupe/lru"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/memory"
)

// The budget of the whole chain without an SDK: a context for the span, and
// the lazy time limit.
func TestChainAllocations(t *testing.T) {
	d := Defaults{
		Logger: discard, TracerProvider: noop.NewTracerProvider(), MeterProvider: mnoop.NewMeterProvider(),
		DeadLetter: always(nil), AttemptTimeout: time.Minute,
	}
	allocates(t, 2, install(always(nil), Default(d)...))
}

func TestDefaultHasTheOrderThatAnAppAsksFor(t *testing.T) {
	store := memoryStore(t)
	full := Defaults{
		Logger: discard, TracerProvider: noop.NewTracerProvider(), MeterProvider: mnoop.NewMeterProvider(),
		Store: store, DeadLetter: always(nil), AttemptTimeout: time.Second,
	}
	app := eds.New(memory.New("q"))
	app.Use(Default(full)...)
	app.Handle("*", always(nil))
	if err := app.Validate(); err != nil {
		t.Fatal(err)
	}
	if n := len(Default(full)); n != 8 {
		t.Errorf("%d middlewares", n)
	}
	// An App does notice the wrong order.
	wrong := Default(full)
	slices.Reverse(wrong)
	app = eds.New(memory.New("q"))
	app.Use(wrong...)
	app.Handle("*", always(nil))
	if err := app.Validate(); err == nil {
		t.Error("the reverse order was accepted")
	}
}

func TestDefaultLeavesOutWhatIsNil(t *testing.T) {
	for want, d := range map[int]Defaults{
		1: {Attempts: 1},
		2: {},
		3: {Logger: discard},
		4: {Logger: discard, DeadLetter: always(nil)},
	} {
		if n := len(Default(d)); n != want {
			t.Errorf("%+v: %d middlewares, want %d", d, n, want)
		}
	}
}

func TestDefaultTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spans, provider := recorder()
		tr, m := &tracing{}, newMeter()
		provider.applyTracing(tr)
		mt := &metrics{}
		m.option.applyMetrics(mt)
		var s shelf
		mws := Default(Defaults{
			Logger: discard, TracerProvider: tr.provider, MeterProvider: mt.provider,
			Store: memoryStore(t), DeadLetter: s.put, AttemptTimeout: time.Second,
		})
		calls := make(map[string]int)
		h := func(ctx context.Context, e *eds.Event) error {
			calls[e.Type]++
			switch e.Type {
			case "TENANT_FLAKY":
				if calls[e.Type] == 1 {
					panic("once")
				}
			case "TENANT_SLOW":
				<-ctx.Done()
				return ctx.Err()
			case "TENANT_POISON":
				return eds.Permanent(errBoom)
			}
			return nil
		}
		events := []eds.Event{
			named("1", "TENANT_OK"), named("1", "TENANT_OK"), named("2", "TENANT_FLAKY"),
			named("3", "TENANT_SLOW"), named("4", "TENANT_POISON"), named("5", "STRANGE"),
		}
		runApp(t, h, mws, events, nil, func(app *eds.App) {
			time.Sleep(time.Minute)
			synctest.Wait()
			want := eds.Outcomes{eds.Handled: 2, eds.Duplicate: 1, eds.DeadLetter: 2, eds.Unsupported: 1}
			if got := app.Health().Outcomes; got != want {
				t.Errorf("outcomes %v, want %v", got, want)
			}
		})
		for eventType, want := range map[string]int{"TENANT_OK": 1, "TENANT_FLAKY": 2, "TENANT_SLOW": 3, "TENANT_POISON": 1} {
			if calls[eventType] != want {
				t.Errorf("%s ran %d times, want %d", eventType, calls[eventType], want)
			}
		}
		var kinds []string
		for _, letter := range s.letters {
			kinds = append(kinds, letter.Attributes[KeyKind]+"/"+letter.Attributes[KeyAttempts])
		}
		if !slices.Equal(kinds, []string{"timeout/3", "permanent/1"}) {
			t.Errorf("dead letters %q", kinds)
		}
		if n := len(spans.Ended()); n != 12 { // a process and an ack span each
			t.Errorf("%d spans", n)
		}
		retries := 0.0
		for _, p := range m.collect(t)["eds.retries"] {
			retries += p.value
		}
		if retries != 3 {
			t.Errorf("%v retries counted", retries)
		}
	})
}

func memoryStore(t *testing.T) *lru.Store {
	t.Helper()
	store, err := lru.New()
	if err != nil {
		t.Fatal(err)
	}
	return store
}

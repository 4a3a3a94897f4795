package middleware

import (
	"context"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/memory"
)

// An App checks the order of our middleware by these names.
func TestNamesByWhichAnAppKnowsThem(t *testing.T) {
	sink := func(context.Context, *eds.Event) error { return nil }
	for want, m := range map[string]eds.Middleware{
		"dedupeMiddleware": Dedupe(memoryStore(t)), // the package dedupe has the short name

		"tracing":    Tracing(),
		"logging":    Logging(nil),
		"metrics":    Metrics(),
		"deadLetter": DeadLetter(sink),
		"retry":      Retry(),
		"throttle":   Throttle(1, 1),
		"breaker":    CircuitBreaker(),
		"timeout":    Timeout(1),
		"recovery":   Recover(),
	} {
		name := runtime.FuncForPC(reflect.ValueOf(m).Pointer()).Name()
		if !strings.HasSuffix(name, "/middleware.(*"+want+").wrap-fm") {
			t.Errorf("%s is called %s", want, name)
		}
	}
}

// Each pair, the inner one first: what an App refuses.
func TestAppRefusesTheWrongOrder(t *testing.T) {
	sink := always(nil)
	for name, wrong := range map[string][]eds.Middleware{
		"retry, dedupe":       {Retry(), Dedupe(memoryStore(t))},
		"dead letter, dedupe": {DeadLetter(sink), Dedupe(memoryStore(t))},
		"retry, dead letter":  {Retry(), DeadLetter(sink)},
		"timeout, retry":      {Timeout(1), Retry()},
		"recover, retry":      {Recover(), Retry()},
		"recover, timeout":    {Recover(), Timeout(1)},
		"dedupe, tracing":     {Dedupe(memoryStore(t)), Tracing()},
		"dedupe, metrics":     {Dedupe(memoryStore(t)), Metrics()},
		"dedupe, logging":     {Dedupe(memoryStore(t)), Logging(discard)},
		"timeout, dedupe":     {Timeout(1), Dedupe(memoryStore(t))},
		"timeout, dead":       {Timeout(1), DeadLetter(sink)},
		"logging, tracing":    {Logging(discard), Tracing()},
	} {
		app := eds.New(memory.New("q"))
		app.Use(wrong...)
		app.Handle("*", sink)
		if app.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	app := eds.New(memory.New("q"))
	app.Use(DeadLetter(nil))
	app.Handle("*", sink)
	if app.Validate() == nil {
		t.Error("a dead letter without a sink was accepted")
	}
}

// A nil option is none, as in the other constructors.
func TestNilOptions(t *testing.T) {
	sink := always(nil)
	for _, m := range []eds.Middleware{
		Tracing(nil), Metrics(nil), Logging(nil, nil), Dedupe(memoryStore(t), nil), DeadLetter(sink, nil), Retry(nil),
		Throttle(1, 1, nil), CircuitBreaker(nil), Recover(nil),
	} {
		if err := m(sink)(t.Context(), event()); err != nil {
			t.Error(err)
		}
	}
}

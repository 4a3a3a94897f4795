package middleware

import (
	"context"
	"errors"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
)

var errBoom = errors.New("boom")

func event() *eds.Event {
	return &eds.Event{
		ID: "e-1", Type: "TENANT_ONBOARDED", Source: "eds://eds.example:8443/my-queue", Queue: "my-queue",
		Payload: []byte(`{"secret":"payload"}`), Attempt: 1,
	}
}

// returns is a handler that returns the given results one after another and
// then nil; it counts its calls.
func returns(calls *int, results ...error) eds.Handler {
	return func(context.Context, *eds.Event) error {
		*calls++
		if *calls > len(results) {
			return nil
		}
		return results[*calls-1]
	}
}

// always is a handler that returns err.
func always(err error) eds.Handler {
	return func(context.Context, *eds.Event) error { return err }
}

func mustBe(t *testing.T, got error, want eds.Outcome, is ...error) {
	t.Helper()
	if o := eds.OutcomeOf(got); o != want {
		t.Fatalf("outcome of %v is %v, want %v", got, o, want)
	}
	for _, target := range is {
		if !errors.Is(got, target) {
			t.Fatalf("%v is not %v", got, target)
		}
	}
}

// allocates fails the test when h allocates more than limit per event.
func allocates(t *testing.T, limit float64, h eds.Handler) {
	t.Helper()
	if raceDetector {
		t.Skip("allocations cannot be counted under the race detector")
	}
	ctx, e := context.Background(), event()
	if n := testing.AllocsPerRun(200, func() { _ = h(ctx, e) }); n > limit {
		t.Errorf("%v allocations per event, want at most %v", n, limit)
	}
}

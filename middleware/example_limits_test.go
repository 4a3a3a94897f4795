package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/middleware"
)

// Each tenant may have 100 events per second handled, with bursts of 10.
func ExampleThrottle() {
	throttle := middleware.Throttle(100, 10, middleware.PerKey(func(e *eds.Event) string {
		return e.Attributes["tenant"]
	}, 10_000))
	h := throttle(func(context.Context, *eds.Event) error { return nil })
	for range 20 { // the second half is held for 0.1 s
		if err := h(context.Background(), &eds.Event{Attributes: map[string]string{"tenant": "acme"}}); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println("done")
	// Output: done
}

// While the CRM is down its events are held, and then go through.
func ExampleCircuitBreaker() {
	breaker := middleware.CircuitBreaker(
		middleware.TripAfter(2),
		middleware.OpenFor(10*time.Millisecond),
		middleware.OnBreak(func(from, to string) { fmt.Println(from, "→", to) }),
	)
	calls := 0
	h := breaker(func(context.Context, *eds.Event) error {
		if calls++; calls <= 2 {
			return errors.New("the CRM is down")
		}
		return nil
	})
	for range 3 {
		fmt.Println(h(context.Background(), &eds.Event{}))
	}
	// Output:
	// the CRM is down
	// closed → open
	// the CRM is down
	// open → half-open
	// half-open → closed
	// <nil>
}

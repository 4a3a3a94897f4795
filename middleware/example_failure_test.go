package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/middleware"
)

func ExampleDeadLetter() {
	sink := func(_ context.Context, e *eds.Event) error {
		fmt.Println(e.ID, string(e.Payload))
		fmt.Println(e.Attributes[middleware.KeyKind], e.Attributes[middleware.KeyAttempts], e.Attributes[middleware.KeyError])
		return nil
	}
	h := middleware.DeadLetter(sink)(func(context.Context, *eds.Event) error {
		return eds.Permanent(errors.New("field tenantId is missing"))
	})
	err := h(context.Background(), &eds.Event{ID: "e-1", Payload: []byte(`{}`)})
	fmt.Println(eds.OutcomeOf(err))
	// Output:
	// e-1 {}
	// permanent 1 field tenantId is missing
	// dead-lettered
}

func ExampleRetry() {
	retry := middleware.Retry(
		middleware.Attempts(4),
		middleware.Backoff(time.Millisecond, 10*time.Millisecond),
		middleware.OnRetry(func(_ context.Context, e *eds.Event, attempt int, err error, _ time.Duration) {
			fmt.Printf("%s: attempt %d: %v\n", e.ID, attempt, err)
		}),
	)
	calls := 0
	h := retry(func(context.Context, *eds.Event) error {
		if calls++; calls < 3 {
			return errors.New("the CRM is restarting")
		}
		return nil
	})
	fmt.Println(h(context.Background(), &eds.Event{ID: "e-1"}))
	// Output:
	// e-1: attempt 1: the CRM is restarting
	// e-1: attempt 2: the CRM is restarting
	// <nil>
}

func ExampleTimeout() {
	h := middleware.Timeout(time.Millisecond)(func(ctx context.Context, _ *eds.Event) error {
		<-ctx.Done()
		return ctx.Err()
	})
	err := h(context.Background(), &eds.Event{})
	fmt.Println(err)
	fmt.Println(errors.Is(err, eds.ErrHandlerTimeout))
	// Output:
	// eds: handler timed out: context deadline exceeded
	// true
}

func ExampleRecover() {
	h := middleware.Recover()(func(context.Context, *eds.Event) error {
		var tenants map[string]int
		tenants["acme"]++
		return nil
	})
	err := h(context.Background(), &eds.Event{})
	fmt.Println(err)
	if p, ok := errors.AsType[*eds.PanicError](err); ok {
		fmt.Println(len(p.Stack) > 0)
	}
	// Output:
	// eds: handler panicked: assignment to entry in nil map
	// true
}

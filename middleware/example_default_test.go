package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/middleware"
	"github.com/eventdelivery/eds-go/transport/memory"
)

// One call installs the usual set. The poison event is tried twice, stored
// with its error, and acknowledged; the queue moves on.
func ExampleDefault() {
	queue := memory.New("onboarding")
	ctx, stop := context.WithCancel(context.Background())

	app := eds.New(queue)
	app.Use(middleware.Default(middleware.Defaults{
		DeadLetter: func(_ context.Context, e *eds.Event) error {
			fmt.Printf("stored %s: %s\n", e.ID, e.Attributes[middleware.KeyError])
			return nil
		},
		Attempts:       2,
		AttemptTimeout: 10 * time.Second,
	})...)
	app.Handle("TENANT_ONBOARDED", func(_ context.Context, e *eds.Event) error {
		if e.ID == "poison" {
			return errors.New("no such country")
		}
		fmt.Println("handled", e.ID)
		stop()
		return nil
	})

	_ = queue.Publish(eds.Event{ID: "poison", Type: "TENANT_ONBOARDED"})
	_ = queue.Publish(eds.Event{ID: "good", Type: "TENANT_ONBOARDED"})
	if err := app.Run(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// stored poison: no such country (attempt 2)
	// handled good
}

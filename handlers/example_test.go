package handlers_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers"
	"github.com/eventdelivery/eds-go/handlers/empego"
)

// A Handler is a function; an App calls it, and so can a test.
func ExampleTyped() {
	handle := handlers.Typed(func(_ context.Context, t empego.TenantOnboarded) error {
		fmt.Println("create", t.TenantID)
		return nil
	})

	ctx := context.Background()
	fmt.Println(handle(ctx, &eds.Event{Payload: []byte(`{"tenantId":"P0001","empegoTenantId":"tenant-abc"}`)}))
	fmt.Println(handle(ctx, &eds.Event{Payload: []byte(`{"tenantId":1}`)}))
	fmt.Println(handle(ctx, &eds.Event{Payload: []byte(`{"empegoTenantId":"tenant-abc"}`)}))
	// Output:
	// create P0001
	// <nil>
	// handlers: payload is no empego.TenantOnboarded, at "/tenantId" (offset 12): a number does not fit string
	// handlers: empego.TenantOnboarded is not valid: tenantId is missing
}

// The Event beside T has what the payload does not tell.
func ExampleTypedEvent() {
	type order struct {
		Number any `json:"number"` // a json.Number
	}
	handle := handlers.TypedEvent(func(_ context.Context, e *eds.Event, o order) error {
		fmt.Printf("order %v, idempotency key %s\n", o.Number, e.ID)
		return nil
	})
	_ = handle(context.Background(), &eds.Event{ID: "evt-1", Payload: []byte(`{"number":9007199254740993}`)})
	// Output: order 9007199254740993, idempotency key evt-1
}

// Strict is for events whose form is one's own to define.
func ExampleStrict() {
	type order struct {
		Number int `json:"number"`
	}
	handle := handlers.Typed(func(context.Context, order) error { return nil }, handlers.Strict())
	err := handle(context.Background(), &eds.Event{Payload: []byte(`{"number":1,"nmuber":2}`)})
	if e, ok := errors.AsType[*handlers.DecodeError](err); ok {
		fmt.Println(e.Reason)
	}
	fmt.Println("worth another try:", !eds.IsPermanent(err))
	// Output:
	// unknown member "nmuber"
	// worth another try: false
}

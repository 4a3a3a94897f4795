package linktest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// Must receives one delivery.
func Must(t testing.TB, c eds.Transport) *eds.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
	defer cancel()
	d, err := c.Receive(ctx)
	if err != nil {
		t.Fatalf("Receive: %v", err)
	}
	return d
}

// Until receives in vain for d.
func Until(t testing.TB, c eds.Transport, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	got, err := c.Receive(ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Receive = %+v, %v; want nothing for %v", got, err, d)
	}
}

// Ack acknowledges a delivery.
func Ack(t testing.TB, c eds.Transport, d *eds.Delivery) {
	t.Helper()
	if err := c.Ack(t.Context(), d); err != nil {
		t.Errorf("Ack(%s): %v", d.Receipt, err)
	}
}

// Nack gives a delivery back.
func Nack(t testing.TB, c eds.Transport, d *eds.Delivery) {
	t.Helper()
	if err := c.Nack(t.Context(), d); err != nil {
		t.Errorf("Nack(%s): %v", d.Receipt, err)
	}
}

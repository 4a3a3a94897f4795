// Package transporttest is the conformance suite for transports: what an
// eds.Transport must do whatever service is behind it.
//
// Call Run from a test of your transport, with a declaration of what its
// service promises and a function that starts one:
//
//	func TestConformance(t *testing.T) {
//		transporttest.Run(t, transporttest.Features{Nack: true}, func(t testing.TB) transporttest.Service {
//			q := memory.New("q")
//			return transporttest.Service{Publish: q.publish, Dial: func() eds.Transport { return q }}
//		})
//	}
//
// Rules that need a feature that was not declared are skipped, and say so.
// Each rule gets a service of its own. With Features.Bubble the suite runs in
// testing/synctest bubbles, where minutes of protocol pass in no time; without
// it, it waits in real time, for as long as Features.Patience says.
package transporttest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// Features declares what a transport and its service promise.
type Features struct {
	// Bubble says that the service and the transport work without a network
	// and can run on a fake clock.
	Bubble bool
	// Ordered says that events arrive in the order in which they were
	// published, as long as nothing is delivered again.
	Ordered bool
	// Nack says that an event that is given back comes again soon.
	Nack bool
	// Redelivery is after how long an event that was neither acknowledged nor
	// given back comes again on the same connection; zero for never.
	Redelivery time.Duration
	// NewReceipts says that each delivery of an event has a receipt of its own.
	NewReceipts bool
	// BoundReceipts says that a receipt ends with its connection, so that Ack
	// returns eds.ErrReceiptLost afterwards.
	BoundReceipts bool
	// Patience bounds the wait for anything that must happen. The default is
	// 10 s, or ten times that in a bubble.
	Patience time.Duration
}

// Service is the far end: what the transport under test talks to. Publish and
// Dial are needed; the rules that want one of the others are skipped without.
type Service struct {
	// Publish hands an event to the service. Its Source, Queue and Attempt
	// are the service's business and are not compared.
	Publish func(ctx context.Context, e eds.Event) error
	// Dial makes the transport under test. It is called again only after the
	// transport that it made before was closed.
	Dial func() eds.Transport
	// WaitAcked returns once the service has taken note of the event's
	// acknowledgement.
	WaitAcked func(ctx context.Context, id string) error
	// Disconnect breaks the connection, as a network would.
	Disconnect func()
	// PublishUnreadable hands over something that has a receipt but is no
	// event.
	PublishUnreadable func(ctx context.Context) error
}

// Start starts a service that ends with the test.
type Start func(t testing.TB) Service

// Run checks all rules, each in a subtest named after it.
func Run(t *testing.T, f Features, start Start) {
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			if missing := rule.needs(f); missing != "" {
				t.Skipf("not declared: %s", missing)
			}
			inside := func(t *testing.T) {
				if err := check(t, rule, f, start(t)); err != nil {
					t.Errorf("%s\nrule: %s", err, rule.says)
				}
			}
			if f.Bubble {
				synctest.Test(t, inside)
			} else {
				inside(t)
			}
		})
	}
}

// errUnable says that the service lacks what a rule needs.
var errUnable = errors.New("the service cannot do that")

// check applies one rule. It returns nil when the service is unable to show it.
func check(t testing.TB, r rule, f Features, s Service) error {
	if f.Patience == 0 {
		f.Patience = 10 * time.Second
		if f.Bubble {
			f.Patience = 100 * time.Second
		}
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*f.Patience+4*f.Redelivery, errors.New("the rule took too long"))
	defer cancel()
	c := &client{ctx: ctx, f: f, s: s, t: s.Dial()}
	err := r.check(c)
	c.close()
	if errors.Is(err, errUnable) {
		t.Logf("skipped: %v", err)
		return nil
	}
	return err
}

// client is the transport under test and what a rule does with it.
type client struct {
	ctx    context.Context
	f      Features
	s      Service
	t      eds.Transport
	closed bool
}

func (c *client) close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), c.f.Patience)
	defer cancel()
	return c.t.Close(ctx)
}

// redial closes the transport and makes a new one.
func (c *client) redial() error {
	if err := c.close(); err != nil {
		return fmt.Errorf("Close: %w", err)
	}
	c.t, c.closed = c.s.Dial(), false
	return nil
}

func (c *client) publish(ids ...string) error {
	for _, id := range ids {
		if err := c.s.Publish(c.ctx, sample(id)); err != nil {
			return fmt.Errorf("publish %s: %w", id, err)
		}
	}
	return nil
}

// receive returns the next delivery, within the time that it may take.
func (c *client) receive(within time.Duration) (*eds.Delivery, error) {
	ctx, cancel := context.WithTimeout(c.ctx, within)
	defer cancel()
	d, err := c.t.Receive(ctx)
	if err == nil && d == nil {
		return nil, errors.New("Receive returned neither a delivery nor an error")
	}
	return d, err
}

// expect returns the next delivery, which must be of the event id.
func (c *client) expect(id string, within time.Duration) (*eds.Delivery, error) {
	d, err := c.receive(within)
	if err != nil {
		return nil, fmt.Errorf("waiting for event %s: %w", id, err)
	}
	if d.Event.ID != id {
		return nil, fmt.Errorf("received event %q, want %q", d.Event.ID, id)
	}
	return d, nil
}

// silence makes sure that nothing is delivered for a while.
func (c *client) silence(d time.Duration) error {
	got, err := c.receive(d)
	switch {
	case err == nil:
		return fmt.Errorf("event %q was delivered, want nothing", got.Event.ID)
	case errors.Is(err, context.DeadlineExceeded) && c.ctx.Err() == nil:
		return nil
	}
	return fmt.Errorf("waiting in silence: %w", err)
}

// acked waits until the service has noticed that the events are done.
func (c *client) acked(ids ...string) error {
	if c.s.WaitAcked == nil {
		return nil // the rules then see it by what is delivered again
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.f.Patience)
	defer cancel()
	for _, id := range ids {
		if err := c.s.WaitAcked(ctx, id); err != nil {
			return fmt.Errorf("event %s was acknowledged, but the service did not notice: %w", id, err)
		}
	}
	return nil
}

func (c *client) ack(d *eds.Delivery) error {
	if err := c.t.Ack(c.ctx, d); err != nil {
		return fmt.Errorf("Ack of %s: %w", d.Event.ID, err)
	}
	return nil
}

func sample(id string) eds.Event {
	return eds.Event{
		ID: id, Type: "SAMPLE",
		Time:    time.Date(2026, 3, 20, 14, 30, 0, 123e6, time.UTC),
		Payload: []byte(`{"id":"` + id + `","n":12345678901234567890}`),
	}
}

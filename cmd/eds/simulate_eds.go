package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/eventdelivery/eds-go/eds/edstest"
)

type simulateEDSCommand struct {
	Addr              string        `default:"127.0.0.1:8080" placeholder:"HOST:PORT" env:"EDS_ADDR" help:"Address to listen on; port 0 takes a free one (${env})."`
	Queue             []string      `required:"" sep:"none" placeholder:"NAME" env:"EDS_QUEUE" help:"Queue to serve. May be repeated (${env})."`
	APIKey            string        `required:"" name:"api-key" placeholder:"KEY" env:"EDS_API_KEY" help:"Key that clients must send (${env})."`
	Events            int           `placeholder:"N" help:"Publish N sample events to each queue at the start."`
	Window            int           `default:"10" help:"Unacknowledged events that a client may hold at a time."`
	VisibilityTimeout time.Duration `default:"30s" help:"Time after which an unacknowledged event is delivered again."`
	IdleTimeout       time.Duration `default:"10m" help:"Silence after which a connection is closed."`
}

func (simulateEDSCommand) Help() string {
	return `A faithful EDS V2 service on this machine: WebSocket at / and /subscribe, redelivery with new receipts, one connection per queue, buffering while nobody is connected. Publish with POST /queues/NAME/events and the same key. Nothing survives its end.

Example:

  eds simulate eds --addr 127.0.0.1:8080 --queue orders --api-key secret --events 3 &
  eds listen --url ws://127.0.0.1:8080 --queue orders --api-key secret --max-events 3
  curl -H 'Authorization: api-key secret' -d '{"eventType":"TENANT_ONBOARDED","eventPayload":{"tenantId":"P0001"}}' http://127.0.0.1:8080/queues/orders/events`
}

// Validate is called once the flags are parsed.
func (c *simulateEDSCommand) Validate() error {
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return fmt.Errorf("--addr %q: must be HOST:PORT", c.Addr)
	}
	for _, q := range c.Queue {
		if q == "" {
			return fmt.Errorf("--queue %q: must not be empty", q)
		}
	}
	switch {
	case c.APIKey == "":
		return fmt.Errorf("--api-key: must not be empty")
	case c.Events < 0:
		return fmt.Errorf("--events %d: must not be negative", c.Events)
	case c.Window < 1:
		return fmt.Errorf("--window %d: must be at least 1", c.Window)
	case c.VisibilityTimeout <= 0:
		return fmt.Errorf("--visibility-timeout %q: must be more than zero", c.VisibilityTimeout)
	case c.IdleTimeout <= 0:
		return fmt.Errorf("--idle-timeout %q: must be more than zero", c.IdleTimeout)
	}
	return nil
}

// Run serves until ctx ends.
func (c *simulateEDSCommand) Run(ctx context.Context, io stdio) error {
	srv := edstest.NewServer(
		edstest.Queues(c.Queue...), edstest.APIKey(c.APIKey), edstest.Window(c.Window),
		edstest.VisibilityTimeout(c.VisibilityTimeout), edstest.IdleTimeout(c.IdleTimeout),
		edstest.Retain(remembered),
	)
	defer srv.Close()
	for _, q := range slices.Compact(slices.Sorted(slices.Values(c.Queue))) {
		if _, err := srv.PublishAll(q, samples(c.Events)); err != nil {
			return err
		}
	}
	if err := srv.Listen(c.Addr); err != nil {
		return fmt.Errorf("--addr %q: %w", c.Addr, err)
	}
	fmt.Fprintln(io.err, "listening on", reachable(srv.URL()))
	<-ctx.Done()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = srv.Shutdown(closing) // what did not end by itself is dropped
	return nil
}

func samples(n int) []edstest.Event {
	events := make([]edstest.Event, n)
	for i := range events {
		events[i] = edstest.Event{
			Type:    "TENANT_ONBOARDED",
			Payload: fmt.Appendf(nil, `{"tenantId":"P%04d","empegoTenantId":"tenant-%d"}`, i+1, i+1),
		}
	}
	return events
}

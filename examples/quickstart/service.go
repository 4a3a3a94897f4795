package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/handlers/empego"
)

const (
	queue  = "my-queue"
	apiKey = "demo-key"

	tenants    = 20
	twice      = 5 // tenants whose event is delivered twice
	unknown    = 3
	panicsOnce = "INV-7"
	poison     = "the-poison-event"
)

var errAllDone = errors.New("every event was acknowledged")

// service is a local EDS V2 service with something to push.
type service struct {
	*edstest.Server
}

func startService() (*service, error) {
	s := &service{edstest.NewServer(edstest.Queues(queue), edstest.APIKey(apiKey))}
	return s, s.Start()
}

// push publishes everything at once, as a backlog, and breaks the connection
// in the middle of it. It returns the number of different events.
func (s *service) push() (int, error) {
	var events []edstest.Event
	for i := range tenants {
		e := edstest.Event{
			ID: fmt.Sprintf("tenant-event-%02d", i), Type: empego.TypeTenantOnboarded,
			Payload: fmt.Appendf(nil, `{"tenantId":"P%04d","empegoTenantId":"tenant-%d"}`, i, i),
		}
		events = append(events, e)
		if i < twice {
			events = append(events, e)
		}
	}
	for i := range unknown {
		events = append(events, edstest.Event{ID: fmt.Sprintf("unknown-%d", i), Type: "SOMETHING_NEW"})
	}
	events = append(events,
		edstest.Event{ID: "panic", Type: "INVOICE_SENT", Payload: []byte(`{"number":"` + panicsOnce + `","cents":1250}`)},
		edstest.Event{ID: poison, Type: "INVOICE_SENT", Payload: []byte(`{"number":42}`)},
	)
	s.OnSend(edstest.Events, edstest.Drop(), edstest.Skip(8))
	_, err := s.PublishAll(queue, events)
	return len(events) - twice, err
}

// done returns errAllDone once every event was acknowledged.
func (s *service) done(ctx context.Context) error {
	if err := s.WaitIdle(ctx); err != nil {
		return err
	}
	return errAllDone
}

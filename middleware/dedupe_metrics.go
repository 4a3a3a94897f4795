package middleware

import (
	"context"
	"hash/fnv"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/eventdelivery/eds-go/eds"
)

type dedupeCounters struct {
	hits, busy, abandoned, changed, lost, errors metric.Int64Counter
}

func newDedupeCounters(p metric.MeterProvider) dedupeCounters {
	if p == nil {
		p = otel.GetMeterProvider()
	}
	m := p.Meter(scope)
	counter := func(name, unit, what string) metric.Int64Counter {
		c, err := m.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(what))
		if err != nil {
			otel.Handle(err)
		}
		return c
	}
	return dedupeCounters{
		hits:      counter("eds.dedupe.hits", "{event}", "Events that had been handled before."),
		busy:      counter("eds.dedupe.busy", "{event}", "Events that another worker was handling."),
		abandoned: counter("eds.dedupe.abandoned", "{event}", "Events refused because too many workers ended over them."),
		changed:   counter("eds.dedupe.changed", "{event}", "Events whose id was seen before with another payload."),
		lost:      counter("eds.dedupe.leases.lost", "{lease}", "Leases that were lost while the event was being handled."),
		errors:    counter("eds.dedupe.store.errors", "{error}", "Operations that the store could not do."),
	}
}

// count adds one. It is called for what is out of the ordinary alone.
func (d *dedupeCounters) count(ctx context.Context, c metric.Int64Counter, e *eds.Event) {
	if e == nil {
		e, _ = eds.EventFromContext(ctx)
	}
	defer contain("dedupe metrics")
	if e == nil || e.Queue == "" {
		c.Add(ctx, 1)
		return
	}
	c.Add(ctx, 1, metric.WithAttributes(semconv.MessagingDestinationName(originOf(e).queueName())))
}

// hashPayload is 64 bits of FNV-1a, which must be the same in all processes
// and need not withstand an attack: it only finds out changes. Never zero.
func hashPayload(payload []byte) uint64 {
	h := fnv.New64a()
	h.Write(payload)
	return max(h.Sum64(), 1)
}

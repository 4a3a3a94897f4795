package middleware

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/eventdelivery/eds-go/eds"
)

// series holds what the metrics of one queue are recorded with, ready made:
// building an attribute set for each event costs more than recording it.
type series struct {
	labels       []attribute.KeyValue // in all of them; at its capacity
	process, ack []metric.RecordOption
	consumed     []metric.AddOption
	sent         []metric.AddOption
	outcomes     memo[outcomeKey, []metric.AddOption]
	failures     memo[failureKey, failureOptions]
}

type outcomeKey struct {
	outcome   eds.Outcome
	eventType string
}

type failureKey struct{ operation, errorType string }

type failureOptions struct {
	add    []metric.AddOption
	record []metric.RecordOption
}

func (m *metrics) queue(e *eds.Event) *series {
	from := originOf(e)
	if q, ok := m.queues.get(from); ok {
		return q
	}
	if !m.queues.full() {
		from = from.own()
		if q := m.newSeries(from); m.queues.add(from, q) {
			return q
		}
	}
	m.overflow.Do(func() { m.rest = m.newSeries(origin{queue: other}) })
	return m.rest
}

func (m *metrics) newSeries(from origin) *series {
	q := &series{
		labels:   from.attributes(m.system),
		outcomes: memo[outcomeKey, []metric.AddOption]{max: (m.types.max + 1) * (int(eds.Redelivered) + 1)},
		failures: memo[failureKey, failureOptions]{max: maxErrorTypes},
	}
	q.labels = slices.Clip(q.labels) // an append copies
	process, send := semconv.MessagingOperationName("process"), semconv.MessagingOperationName("send")
	q.process = recordWith(append(q.labels, process))
	q.consumed = addWith(append(q.labels, process))
	q.sent = addWith(append(q.labels, send))
	q.ack = recordWith(append(q.labels, semconv.MessagingOperationName("ack"), semconv.MessagingOperationTypeSettle))
	return q
}

func (q *series) outcome(o eds.Outcome, eventType string) []metric.AddOption {
	key := outcomeKey{o, eventType}
	opts, ok := q.outcomes.get(key)
	if !ok {
		opts = addWith(append(q.labels, attrOutcome.String(o.String()), attrEventType.String(eventType)))
		q.outcomes.add(key, opts)
	}
	return opts
}

// failed returns what to record a failed operation with. Error types are
// named by users' code, so they are bounded, too.
func (q *series) failed(operation, errorType string) failureOptions {
	key := failureKey{operation, errorType}
	opts, ok := q.failures.get(key)
	if ok {
		return opts
	}
	if !q.failures.full() {
		opts = q.failureOptions(operation, errorType)
		if q.failures.add(key, opts) {
			return opts
		}
	}
	return q.failureOptions(operation, other)
}

func (q *series) failureOptions(operation, errorType string) failureOptions {
	attrs := append(q.labels, semconv.MessagingOperationName(operation), semconv.ErrorTypeKey.String(errorType))
	if operation == "ack" {
		attrs = append(attrs, semconv.MessagingOperationTypeSettle)
	}
	return failureOptions{add: addWith(attrs), record: recordWith(attrs)}
}

func addWith(attrs []attribute.KeyValue) []metric.AddOption {
	return []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
}

func recordWith(attrs []attribute.KeyValue) []metric.RecordOption {
	return []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
}

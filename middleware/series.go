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
	sent         []metric.AddOption
	failures     memo[failureKey, failureOptions]

	consumed   *count               // without an error
	consumedAs memo[string, *count] // consumed, by error type
	outcomes   memo[outcomeKey, *count]
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
	rest := origin{queue: other}
	if m.queues.full() { // rest is among them
		q, _ := m.queues.get(rest)
		return q
	}
	return m.queues.getOrAdd(from.own(), rest, m.newSeries)
}

func (m *metrics) newSeries(from origin) *series {
	q := &series{
		labels:   from.attributes(m.system),
		outcomes: memo[outcomeKey, *count]{max: (m.types.max+1)*(int(eds.Redelivered)+1) + 1},
		failures: memo[failureKey, failureOptions]{max: maxErrorTypes},

		consumedAs: memo[string, *count]{max: maxErrorTypes + 1},
	}
	q.labels = slices.Clip(q.labels) // an append copies
	process, send := semconv.MessagingOperationName("process"), semconv.MessagingOperationName("send")
	q.process = recordWith(append(q.labels, process))
	q.consumed = m.counts.make(m.consumed, append(q.labels, process))
	q.sent = addWith(append(q.labels, send))
	q.ack = recordWith(append(q.labels, semconv.MessagingOperationName("ack"), semconv.MessagingOperationTypeSettle))
	return q
}

func (m *metrics) outcome(q *series, o eds.Outcome, eventType string) *count {
	return q.outcomes.getOrAdd(outcomeKey{o, eventType}, outcomeKey{o, other}, func(key outcomeKey) *count {
		return m.counts.make(m.outcomes, append(q.labels, attrOutcome.String(key.outcome.String()), attrEventType.String(key.eventType)))
	})
}

// consumedWith returns the count of deliveries whose processing failed so.
func (m *metrics) consumedWith(q *series, errorType string) *count {
	return q.consumedAs.getOrAdd(errorType, other, func(errorType string) *count {
		return m.counts.make(m.consumed, append(q.labels, semconv.MessagingOperationName("process"), semconv.ErrorTypeKey.String(errorType)))
	})
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

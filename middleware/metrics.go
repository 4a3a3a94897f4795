package middleware

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/messagingconv"

	"github.com/eventdelivery/eds-go/eds"
)

// Bounds of what may become a time series; beyond them a value is "_OTHER".
const (
	maxQueues     = 64
	maxEventTypes = 64
	maxErrorTypes = 64
)

// buckets are the boundaries that the messaging conventions advise for their
// histograms, in seconds; the generated constructors do not set them. 15 and
// 30 are added for the 30 s that EDS grants until the acknowledgement.
var buckets = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 15, 30}

// MetricsOption changes what Metrics does.
type MetricsOption interface{ applyMetrics(*metrics) }

type metricsOption func(*metrics)

func (f metricsOption) applyMetrics(m *metrics) { f(m) }

// MeterProvider sets where metrics go. The default, also for nil, is
// OpenTelemetry's global one.
func MeterProvider(p metric.MeterProvider) MetricsOption {
	return metricsOption(func(m *metrics) {
		if p != nil {
			m.provider = p
		}
	})
}

// EventTypes names the event types that are told apart in metrics; all others
// are "_OTHER". Without it, those are told apart that a handler took or failed
// to take, up to 64 of them: types come from the wire, and each one told apart
// costs the metrics store a time series.
func EventTypes(types ...string) MetricsOption {
	return metricsOption(func(m *metrics) {
		m.fixed = true
		for _, t := range types {
			m.types.max++
			m.types.add(t, struct{}{})
		}
	})
}

// Metrics measures the processing of events, after the OpenTelemetry messaging
// conventions 1.43 where they have a name for it:
//
//   - messaging.process.duration: each pass through the chain
//   - messaging.client.operation.duration: each acknowledgement
//   - messaging.client.consumed.messages: deliveries
//   - messaging.client.sent.messages: dead letters
//   - eds.outcomes: deliveries by eds.outcome and eds.event.type
//   - eds.delivery.wait: from the receipt of a delivery until its turn came
//   - eds.event.age: from the event until its receipt, where the source says
//     when it happened
//
// Durations are in seconds. Counts are taken when a delivery is settled;
// outside of an App, when the chain returns. Each attribute has a bounded set
// of values. Recording a success allocates nothing.
//
// The gauges of an App are in WatchApp, retries in CountRetries.
func Metrics(opts ...MetricsOption) eds.Middleware {
	m := &metrics{queues: memo[origin, *series]{max: maxQueues + 1}}
	for _, o := range opts {
		if o != nil {
			o.applyMetrics(m)
		}
	}
	if !m.fixed {
		m.types.max = maxEventTypes
	}
	if m.provider == nil {
		m.provider = otel.GetMeterProvider()
	}
	m.instruments(m.provider.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL)))
	m.settledFunc = func(s eds.Settled) { m.settled(s, "") }
	return m.wrap
}

type metrics struct {
	provider metric.MeterProvider
	system   string
	fixed    bool // types is what EventTypes said

	process  messagingconv.ProcessDuration
	settle   messagingconv.ClientOperationDuration
	consumed metric.Int64ObservableCounter
	sent     messagingconv.ClientSentMessages
	outcomes metric.Int64ObservableCounter
	wait     metric.Float64Histogram
	age      metric.Float64Histogram

	counts      counts
	queues      memo[origin, *series] // the last for those beyond the bound
	types       memo[string, struct{}]
	settledFunc func(eds.Settled)
}

// instruments reports what cannot be made to OpenTelemetry's error handler and
// goes on without it: the API hands out one that does nothing.
func (m *metrics) instruments(meter metric.Meter) {
	advised := metric.WithExplicitBucketBoundaries(buckets...)
	var errs [8]error
	m.process, errs[0] = messagingconv.NewProcessDuration(meter, advised)
	m.settle, errs[1] = messagingconv.NewClientOperationDuration(meter, advised)
	// These two count every delivery. They are kept as numbers of our own and
	// read when somebody collects, since the SDK checks all attributes anew at
	// each recording: that is a quarter of what it costs to measure an event.
	consumed := messagingconv.ClientConsumedMessages{}
	m.consumed, errs[2] = meter.Int64ObservableCounter(consumed.Name(),
		metric.WithUnit(consumed.Unit()), metric.WithDescription(consumed.Description()))
	m.sent, errs[3] = messagingconv.NewClientSentMessages(meter)
	m.outcomes, errs[4] = meter.Int64ObservableCounter("eds.outcomes",
		metric.WithUnit("{delivery}"), metric.WithDescription("Deliveries by what became of them."))
	m.wait, errs[5] = meter.Float64Histogram("eds.delivery.wait", advised,
		metric.WithUnit("s"), metric.WithDescription("Time from the receipt of a delivery until its turn came."))
	m.age, errs[6] = meter.Float64Histogram("eds.event.age",
		metric.WithExplicitBucketBoundaries(0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 3600, 21600, 86400),
		metric.WithUnit("s"), metric.WithDescription("Age of an event when it was received."))
	_, errs[7] = meter.RegisterCallback(m.counts.collect, m.consumed, m.outcomes)
	if err := errors.Join(errs[:]...); err != nil {
		otel.Handle(err)
	}
}

func (m *metrics) wrap(next eds.Handler) eds.Handler {
	return func(ctx context.Context, e *eds.Event) error {
		if !m.enabled(ctx) {
			return next(ctx, e)
		}
		d, inApp := eds.DeliveryFromContext(ctx)
		switch {
		case inApp && d.Err != nil:
			eds.OnSettled(ctx, func(s eds.Settled) { m.settled(s, KindMalformed) })
		case inApp:
			eds.OnSettled(ctx, m.settledFunc)
		}
		start := time.Now()
		returned := false
		defer func() {
			if !returned {
				m.lost(ctx, e, start)
			}
		}()
		err := next(ctx, e)
		returned = true
		m.passed(ctx, e, d, start, err)
		if !inApp {
			m.settled(eds.Settled{Event: e, Outcome: eds.OutcomeOf(err), Err: err, Deliveries: 1}, "")
		}
		return err
	}
}

// enabled spares an App without a metrics SDK the clock and the look-ups.
func (m *metrics) enabled(ctx context.Context) bool {
	return m.process.Enabled(ctx) || m.settle.Enabled(ctx) || m.sent.Enabled(ctx) || m.wait.Enabled(ctx) || m.age.Enabled(ctx)
}

// passed records one pass through the chain.
func (m *metrics) passed(ctx context.Context, e *eds.Event, d *eds.Delivery, start time.Time, err error) {
	defer contain("middleware: meter")
	q, now := m.queue(e), time.Now()
	recorded := q.process
	if err != nil && failed(eds.OutcomeOf(err), err) {
		recorded = q.failed("process", errorType(ctx, err)).record
	}
	m.process.Inst().Record(ctx, now.Sub(start).Seconds(), recorded...)
	if d == nil || d.Received.IsZero() || errors.Is(err, eds.ErrStuck) || errors.Is(err, eds.ErrGoexit) {
		return // the second pass of an event did not begin when its turn came
	}
	m.wait.Record(ctx, start.Sub(d.Received).Seconds(), q.process...)
	if !e.Time.IsZero() {
		// The clocks of two machines differ: an event from the future is new.
		m.age.Record(ctx, max(d.Received.Sub(e.Time), 0).Seconds(), q.process...)
	}
}

// lost records a pass that a panic or a Goexit ended.
func (m *metrics) lost(ctx context.Context, e *eds.Event, start time.Time) {
	defer contain("middleware: meter")
	m.process.Inst().Record(ctx, time.Since(start).Seconds(), m.queue(e).failed("process", KindPanic).record...)
}

// settled counts deliveries, by how they ended. An empty kind is told from the
// error.
func (m *metrics) settled(s eds.Settled, kind string) {
	defer contain("middleware: meter")
	ctx := context.Background()
	q := m.queue(s.Event)
	n := int64(s.Deliveries)
	m.outcome(q, s.Outcome, m.eventType(s, kind == KindMalformed)).n.Add(n)

	consumed, sinkErr := q.consumed, (*SinkError)(nil)
	if failed(s.Outcome, s.Err) {
		if kind == "" {
			kind = errorType(ctx, s.Err)
		}
		consumed = m.consumedWith(q, kind)
		sinkErr, _ = errors.AsType[*SinkError](s.Err)
	}
	consumed.n.Add(n)

	switch {
	case sinkErr != nil:
		m.sent.Inst().Add(ctx, 1, q.failed("send", errorType(ctx, sinkErr.Err)).add...)
	case s.Outcome == eds.DeadLetter:
		m.sent.Inst().Add(ctx, 1, q.sent...)
	}

	if s.AckStarted.IsZero() {
		return
	}
	acked := q.ack
	if s.AckErr != nil {
		acked = q.failed("ack", ackErrorType(s.AckErr)).record
	}
	m.settle.Inst().Record(ctx, s.AckTook.Seconds(), acked...)
}

// eventType returns the type if it is one of those told apart. A type that
// only unsupported or unreadable deliveries have is none: anybody could fill
// the set with them.
func (m *metrics) eventType(s eds.Settled, malformed bool) string {
	t := s.Event.Type
	if _, known := m.types.get(t); known {
		return t
	}
	if m.fixed || malformed || m.types.full() || t == "" || clip(t, wireLimit) != t {
		return other
	}
	switch s.Outcome {
	case eds.Handled, eds.Failed, eds.DeadLetter:
		if t = strings.Clone(t); m.types.add(t, struct{}{}) {
			return t
		}
	default: // as long as nobody has handled it, anybody may have made it up
	}
	return other
}

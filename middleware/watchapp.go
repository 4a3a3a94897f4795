package middleware

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/eventdelivery/eds-go/eds"
)

// WatchApp reports what an App knows of itself, each time that metrics are
// collected:
//
//   - eds.connection.state: 1 for the present eds.state, 0 for the others
//   - eds.connection.established: how often a connection was established; all
//     but the first are reconnects
//   - eds.connection.idle: seconds since bytes last came in
//   - eds.connection.silent: seconds since the last delivery came in, or since
//     the connection was made when there was none: connected to the wrong
//     place looks like this
//   - eds.position.gaps, eds.position.jumps_back: what eds.Status counts
//   - eds.acks.unconfirmed, eds.frames.skipped
//   - eds.events.running, eds.events.queued, eds.events.stuck
//   - eds.events.oldest_unacked: seconds
//   - eds.draining: 1 during a shutdown
//
// name tells Apps of one process apart, as eds.app; an empty one is left out.
// Of the options, MeterProvider counts. The caller calls stop once the App is
// done; without it the meter provider holds on to the App.
func WatchApp(app interface{ Health() eds.Health }, name string, opts ...MetricsOption) (stop func() error, err error) {
	m := &metrics{provider: otel.GetMeterProvider()}
	for _, o := range opts {
		if o != nil {
			o.applyMetrics(m)
		}
	}
	w := &appWatch{app: app}
	if name != "" {
		w.labels = []attribute.KeyValue{attribute.String("eds.app", name)}
	}
	w.all = metric.WithAttributeSet(attribute.NewSet(w.labels...))
	for s := range w.states {
		state := attribute.String("eds.state", eds.State(s).String())
		w.states[s] = metric.WithAttributeSet(attribute.NewSet(append(slices.Clip(w.labels), state)...))
	}
	meter := m.provider.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))
	instruments, err := w.instruments(meter)
	if err != nil {
		return nil, err
	}
	registered, err := meter.RegisterCallback(w.observe, instruments...)
	if err != nil {
		return nil, err
	}
	return registered.Unregister, nil
}

type appWatch struct {
	app    interface{ Health() eds.Health }
	labels []attribute.KeyValue
	all    metric.MeasurementOption
	states [eds.Refused + 1]metric.MeasurementOption

	state, draining        metric.Int64ObservableGauge
	running, queued, stuck metric.Int64ObservableGauge
	unconfirmed            metric.Int64ObservableGauge
	established, skipped   metric.Int64ObservableCounter
	gaps, jumpsBack        metric.Int64ObservableCounter
	oldestUnacked          metric.Float64ObservableGauge
	idle, silent           metric.Float64ObservableGauge
}

func (w *appWatch) instruments(meter metric.Meter) ([]metric.Observable, error) {
	var made []metric.Observable
	var errs []error
	gauge := func(to *metric.Int64ObservableGauge, name, unit, what string) {
		g, err := meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(what))
		*to, made, errs = g, append(made, g), append(errs, err)
	}
	seconds := func(to *metric.Float64ObservableGauge, name, what string) {
		g, err := meter.Float64ObservableGauge(name, metric.WithUnit("s"), metric.WithDescription(what))
		*to, made, errs = g, append(made, g), append(errs, err)
	}
	counter := func(to *metric.Int64ObservableCounter, name, unit, what string) {
		c, err := meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(what))
		*to, made, errs = c, append(made, c), append(errs, err)
	}
	gauge(&w.state, "eds.connection.state", "1", "1 for the state in which the connection is.")
	counter(&w.established, "eds.connection.established", "{connection}", "Connections established.")
	seconds(&w.idle, "eds.connection.idle", "Time since anything was read from the connection.")
	seconds(&w.silent, "eds.connection.silent", "Time since the last delivery was received, or since the connection was made.")
	counter(&w.gaps, "eds.position.gaps", "{gap}", "Places where events seem to be missing.")
	counter(&w.jumpsBack, "eds.position.jumps_back", "{jump}", "Places where the source went back to what was settled before.")
	gauge(&w.unconfirmed, "eds.acks.unconfirmed", "{ack}", "Acknowledgements that the service has not confirmed.")
	counter(&w.skipped, "eds.frames.skipped", "{frame}", "Frames that were passed over.")
	gauge(&w.running, "eds.events.running", "{event}", "Events being processed.")
	gauge(&w.queued, "eds.events.queued", "{event}", "Events that wait for their turn.")
	gauge(&w.stuck, "eds.events.stuck", "{event}", "Handlers that were given up and have not returned.")
	seconds(&w.oldestUnacked, "eds.events.oldest_unacked", "Time since the oldest unsettled delivery was received.")
	gauge(&w.draining, "eds.draining", "1", "1 during a shutdown.")
	return made, errors.Join(errs...)
}

func (w *appWatch) observe(_ context.Context, o metric.Observer) error {
	h := w.app.Health()
	for s, with := range w.states {
		o.ObserveInt64(w.state, oneIf(h.Transport.State == eds.State(s)), with)
	}
	o.ObserveInt64(w.established, int64(h.Transport.Connects), w.all)
	o.ObserveInt64(w.skipped, int64(h.Transport.Skipped), w.all)
	o.ObserveInt64(w.unconfirmed, int64(h.Transport.Unconfirmed), w.all)
	if read := h.Transport.LastRead; !read.IsZero() {
		o.ObserveFloat64(w.idle, time.Since(read).Seconds(), w.all)
	}
	if h.Transport.State == eds.Connected {
		last := h.Transport.Since
		if h.Transport.LastEvent.After(last) {
			last = h.Transport.LastEvent
		}
		o.ObserveFloat64(w.silent, time.Since(last).Seconds(), w.all)
	}
	o.ObserveInt64(w.gaps, int64(h.Transport.Gaps), w.all)
	o.ObserveInt64(w.jumpsBack, int64(h.Transport.JumpsBack), w.all)
	o.ObserveInt64(w.running, int64(h.Running), w.all)
	o.ObserveInt64(w.queued, int64(h.Queued), w.all)
	o.ObserveInt64(w.stuck, int64(h.Stuck), w.all)
	o.ObserveFloat64(w.oldestUnacked, h.OldestUnacked.Seconds(), w.all)
	o.ObserveInt64(w.draining, oneIf(h.Draining), w.all)
	return nil
}

func oneIf(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// CountRetries is an observer for OnRetry that counts retries as eds.retries,
// with the attributes of the queue and the error.type of the attempt that
// failed. Of the options, MeterProvider and System count.
func CountRetries(opts ...MetricsOption) func(ctx context.Context, e *eds.Event, attempt int, err error, pause time.Duration) {
	m := &metrics{queues: memo[origin, *series]{max: maxQueues + 1}, provider: otel.GetMeterProvider()}
	for _, o := range opts {
		if o != nil {
			o.applyMetrics(m)
		}
	}
	retries, err := m.provider.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL)).Int64Counter("eds.retries",
		metric.WithUnit("{retry}"), metric.WithDescription("Attempts that failed and were tried again."))
	if err != nil {
		otel.Handle(err)
	}
	return func(ctx context.Context, e *eds.Event, _ int, err error, _ time.Duration) {
		defer contain("middleware: meter")
		retries.Add(ctx, 1, m.queue(e).failed("retry", errorType(ctx, err)).add...)
	}
}

func ackErrorType(err error) string {
	if errors.Is(err, eds.ErrReceiptLost) {
		return "receipt_lost"
	}
	return errorType(context.Background(), err)
}

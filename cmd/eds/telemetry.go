package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/middleware"
)

// telemetry sends spans and metrics wherever the OTEL_* variables say. The zero
// value sends none.
type telemetry struct {
	log      *slog.Logger
	use      []eds.Middleware
	metrics  bool
	shutdown []func(context.Context) error
}

// wanted tells whether a variable of the OpenTelemetry specification asks for
// the signal; without any nothing is set up.
func wanted(signal string) bool {
	for _, v := range []string{
		"OTEL_" + signal + "_EXPORTER",
		"OTEL_EXPORTER_OTLP_" + signal + "_ENDPOINT",
		"OTEL_EXPORTER_OTLP_ENDPOINT",
	} {
		if os.Getenv(v) != "" {
			return true
		}
	}
	return false
}

// spanExporter is the one that the environment names. What goes to the console
// goes to errs: stdout has the events.
func spanExporter(ctx context.Context, errs io.Writer) (trace.SpanExporter, error) {
	if os.Getenv("OTEL_TRACES_EXPORTER") == "console" {
		return stdouttrace.New(stdouttrace.WithWriter(errs))
	}
	return autoexport.NewSpanExporter(ctx)
}

// metricReader is to metrics what spanExporter is to spans.
func metricReader(ctx context.Context, errs io.Writer) (metric.Reader, error) {
	if os.Getenv("OTEL_METRICS_EXPORTER") == "console" {
		console, err := stdoutmetric.New(stdoutmetric.WithWriter(errs))
		if err != nil {
			return nil, err
		}
		return metric.NewPeriodicReader(console), nil
	}
	return autoexport.NewMetricReader(ctx)
}

// startTelemetry sets up what the environment asks for, and metrics for these
// readers besides.
func startTelemetry(ctx context.Context, log *slog.Logger, errs io.Writer, readers ...metric.Reader) (telemetry, error) {
	t := telemetry{log: log}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.WarnContext(ctx, "telemetry", "err", err) }))
	if wanted("TRACES") {
		spans, err := spanExporter(ctx, errs)
		if err != nil {
			return t, usageError{fmt.Errorf("telemetry of traces (OTEL_TRACES_EXPORTER=%q): %w", os.Getenv("OTEL_TRACES_EXPORTER"), err)}
		}
		tracer := trace.NewTracerProvider(trace.WithBatcher(spans))
		otel.SetTracerProvider(tracer)
		otel.SetTextMapPropagator(propagation.TraceContext{})
		t.use = append(t.use, middleware.Tracing())
		t.shutdown = append(t.shutdown, tracer.Shutdown)
	}
	if wanted("METRICS") {
		metrics, err := metricReader(ctx, errs)
		if err != nil {
			t.stop()
			return t, usageError{fmt.Errorf("telemetry of metrics (OTEL_METRICS_EXPORTER=%q): %w", os.Getenv("OTEL_METRICS_EXPORTER"), err)}
		}
		readers = append(readers, metrics)
	}
	if len(readers) > 0 {
		options := []metric.Option{metric.WithView(plainNumbers)}
		for _, r := range readers {
			options = append(options, metric.WithReader(r))
		}
		meter := metric.NewMeterProvider(options...)
		otel.SetMeterProvider(meter)
		t.use = append(t.use, middleware.Metrics())
		t.metrics = true
		t.shutdown = append(t.shutdown, meter.Shutdown)
	}
	return t, nil
}

// plainNumbers takes the unit "1" off the gauges that are 0 or 1: Prometheus
// would name them ratios.
func plainNumbers(i metric.Instrument) (metric.Stream, bool) {
	if i.Name != "eds.connection.state" && i.Name != "eds.draining" {
		return metric.Stream{}, false
	}
	return metric.Stream{Name: i.Name, Description: i.Description, Unit: "{state}"}, true
}

// watch adds the App's own state to the metrics.
func (t telemetry) watch(app *eds.App, queue string) {
	if !t.metrics {
		return
	}
	if _, err := middleware.WatchApp(app, queue); err != nil {
		t.log.Warn("telemetry", "err", err)
	}
}

// stop sends what is left, for a bounded time.
func (t telemetry) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	var errs []error
	for _, shutdown := range t.shutdown {
		errs = append(errs, shutdown(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		t.log.Warn("telemetry was not all sent", "err", err)
	}
}

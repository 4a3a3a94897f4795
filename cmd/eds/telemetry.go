package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
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

func startTelemetry(ctx context.Context, log *slog.Logger) (telemetry, error) {
	t := telemetry{log: log}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("telemetry", "err", err) }))
	if wanted("TRACES") {
		spans, err := autoexport.NewSpanExporter(ctx)
		if err != nil {
			return t, fmt.Errorf("OTEL_TRACES_EXPORTER: %w", err)
		}
		tracer := trace.NewTracerProvider(trace.WithBatcher(spans))
		otel.SetTracerProvider(tracer)
		otel.SetTextMapPropagator(propagation.TraceContext{})
		t.use = append(t.use, middleware.Tracing())
		t.shutdown = append(t.shutdown, tracer.Shutdown)
	}
	if wanted("METRICS") {
		metrics, err := autoexport.NewMetricReader(ctx)
		if err != nil {
			t.stop()
			return t, fmt.Errorf("OTEL_METRICS_EXPORTER: %w", err)
		}
		meter := metric.NewMeterProvider(metric.WithReader(metrics))
		otel.SetMeterProvider(meter)
		t.use = append(t.use, middleware.Metrics())
		t.metrics = true
		t.shutdown = append(t.shutdown, meter.Shutdown)
	}
	return t, nil
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

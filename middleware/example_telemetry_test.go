package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/middleware"
)

func ExampleLogging() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == middleware.KeyDuration {
				return slog.Attr{} // differs from run to run
			}
			return a
		},
	}))
	h := middleware.Logging(log)(func(_ context.Context, e *eds.Event) error {
		if e.ID == "e-2" {
			return errors.New("no such country")
		}
		return nil
	})
	for _, id := range []string{"e-1", "e-2"} {
		_ = h(context.Background(), &eds.Event{ID: id, Type: "TENANT_ONBOARDED", Source: "eds://eds.example/my-queue"})
	}
	// Output:
	// level=INFO msg="event handled" source=eds://eds.example/my-queue event.type=TENANT_ONBOARDED event.id=e-1 outcome=handled
	// level=ERROR msg="event failed" source=eds://eds.example/my-queue event.type=TENANT_ONBOARDED event.id=e-2 outcome=failed err="no such country"
}

func ExampleTracing() {
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	tracing := middleware.Tracing(middleware.TracerProvider(provider))
	h := tracing(func(context.Context, *eds.Event) error { return nil })
	_ = h(context.Background(), &eds.Event{ID: "e-1", Type: "TENANT_ONBOARDED", Source: "eds://eds.example/my-queue", Queue: "my-queue"})
	for _, s := range spans.GetSpans() {
		fmt.Println(s.Name, s.SpanKind)
		for _, a := range s.Attributes {
			fmt.Printf("  %s = %s\n", a.Key, a.Value.String())
		}
	}
	// Output:
	// process my-queue consumer
	//   messaging.system = empego_eds
	//   messaging.destination.name = my-queue
	//   server.address = eds.example
	//   messaging.operation.name = process
	//   messaging.operation.type = process
	//   messaging.message.id = e-1
	//   eds.event.type = TENANT_ONBOARDED
	//   eds.outcome = handled
}

func ExampleMetrics() {
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	metrics := middleware.Metrics(middleware.MeterProvider(provider), middleware.EventTypes("TENANT_ONBOARDED"))
	h := metrics(func(context.Context, *eds.Event) error { return nil })
	_ = h(context.Background(), &eds.Event{ID: "e-1", Type: "TENANT_ONBOARDED", Queue: "my-queue"})

	var data metricdata.ResourceMetrics
	_ = reader.Collect(context.Background(), &data)
	for _, m := range data.ScopeMetrics[0].Metrics {
		fmt.Println(m.Name, m.Unit)
	}
	// Output:
	// messaging.process.duration s
	// messaging.client.consumed.messages {message}
	// eds.outcomes {delivery}
}

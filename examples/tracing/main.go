// Command tracing shows the spans of one event on its way: it prints them, or
// sends them wherever the OTEL_* variables say, for instance
//
//	go run ./examples/tracing
//	OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 go run ./examples/tracing
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/middleware"
	"github.com/eventdelivery/eds-go/transport/edsv2"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "tracing:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	exporter, err := spanExporter(ctx, out)
	if err != nil {
		return err
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter))
	defer func() { err = errors.Join(err, provider.Shutdown(context.WithoutCancel(ctx))) }()
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})

	service := edstest.NewServer()
	defer service.Close()
	if err := service.Start(); err != nil {
		return err
	}

	app := eds.New(edsv2.New(service.URL(), edstest.DefaultQueue, edsv2.APIKey(edstest.DefaultKey)))
	app.Use(middleware.Tracing(), middleware.Retry(), middleware.Recover())
	tracer := otel.Tracer("example")
	app.Handle("*", func(ctx context.Context, e *eds.Event) error {
		// The handler's own spans are children of the event's.
		_, span := tracer.Start(ctx, "store in the database")
		defer span.End()
		return nil
	})

	id, err := service.Publish(edstest.DefaultQueue, edstest.Event{Type: "ORDER_PLACED"})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer stop()
		_ = service.WaitAcked(ctx, id)
	}()
	return app.Run(ctx)
}

// spanExporter prints spans unless the environment says where to send them.
func spanExporter(ctx context.Context, out io.Writer) (trace.SpanExporter, error) {
	for _, v := range []string{"OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		if os.Getenv(v) != "" {
			return autoexport.NewSpanExporter(ctx)
		}
	}
	return stdouttrace.New(stdouttrace.WithWriter(out), stdouttrace.WithPrettyPrint())
}

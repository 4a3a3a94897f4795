package middleware

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	mnoop "go.opentelemetry.io/otel/metric/noop"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/eventdelivery/eds-go/eds"
)

func install(h eds.Handler, mws ...eds.Middleware) eds.Handler {
	for i := len(mws) - 1; i >= 0; i-- {
		h = mws[i](h)
	}
	return h
}

func run(b *testing.B, h eds.Handler) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	e := event()
	b.ReportAllocs()
	for b.Loop() {
		if err := h(ctx, e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPart(b *testing.B) {
	json := slog.New(slog.NewJSONHandler(io.Discard, nil))
	quiet := slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn}))
	sampled := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.TraceIDRatioBased(0.01)))
	for _, part := range []struct {
		name string
		m    eds.Middleware
	}{
		{"tracing no-op", Tracing(TracerProvider(noop.NewTracerProvider()))},
		{"tracing SDK 1%", Tracing(TracerProvider(sampled))},
		{"logging below level", Logging(quiet)},
		{"logging JSON", Logging(json)},
		{"metrics no-op", Metrics(MeterProvider(mnoop.NewMeterProvider()))},
		{"metrics SDK", Metrics(newMeter().option)},
		{"dead letter", DeadLetter(always(nil))},
		{"retry", Retry()},
		{"throttle", Throttle(1e9, 1e9)},
		{"breaker", CircuitBreaker()},
		{"timeout", Timeout(time.Minute)},
		{"recover", Recover()},
	} {
		b.Run(part.name, func(b *testing.B) { run(b, part.m(always(nil))) })
	}
}

func BenchmarkChain(b *testing.B) {
	quiet := slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn}))
	json := slog.New(slog.NewJSONHandler(io.Discard, nil))
	rest := []eds.Middleware{DeadLetter(always(nil)), Retry(), Timeout(time.Minute), Recover()}
	b.Run("nothing installed", func(b *testing.B) { run(b, always(nil)) })
	b.Run("no-op telemetry, quiet log", func(b *testing.B) {
		run(b, install(always(nil), append([]eds.Middleware{
			Tracing(TracerProvider(noop.NewTracerProvider())), Logging(quiet), Metrics(MeterProvider(mnoop.NewMeterProvider())),
		}, rest...)...))
	})
	b.Run("SDK spans 1%, SDK metrics, JSON log", func(b *testing.B) {
		sampled := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.TraceIDRatioBased(0.01)))
		run(b, install(always(nil), append([]eds.Middleware{
			Tracing(TracerProvider(sampled)), Logging(json), Metrics(newMeter().option),
		}, rest...)...))
	})
}

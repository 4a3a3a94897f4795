package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	noopmetric "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	nooptrace "go.opentelemetry.io/otel/trace/noop"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/dedupe/lru"
	"github.com/eventdelivery/eds-go/dedupe/redisstore"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers"
	"github.com/eventdelivery/eds-go/middleware"
	"github.com/eventdelivery/eds-go/transport/edsv2"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
)

// pipeline is the framework with the whole chain around a typed handler.
type pipeline struct {
	store  dedupe.Store
	tracer trace.TracerProvider
	meter  metric.MeterProvider
	log    *slog.Logger
	opts   []eds.Option
}

func (p pipeline) run(ctx context.Context, spec Spec) error {
	return p.runOn(ctx, transportOf(spec), handlers.Typed(func(_ context.Context, t Tenant) error { return handle(spec, &t) }))
}

// runOn runs the pipeline over a transport.
func (p pipeline) runOn(ctx context.Context, transport eds.Transport, handler eds.Handler) error {
	var lost atomic.Int64
	app := eds.New(transport, append(slices.Clip(p.opts), eds.Logger(p.log))...)
	app.Use(
		middleware.Tracing(middleware.TracerProvider(p.tracer)),
		middleware.Logging(p.log),
		middleware.Metrics(middleware.MeterProvider(p.meter)),
		middleware.Dedupe(p.store, middleware.DedupeMeterProvider(p.meter)),
		middleware.DeadLetter(func(context.Context, *eds.Event) error { lost.Add(1); return nil }),
		middleware.Retry(),
		middleware.Timeout(20*time.Second),
		middleware.Recover(),
	)
	app.Handle(eventType, handler)
	err := app.Run(ctx)
	if n := lost.Load(); n > 0 {
		return errors.Join(err, fmt.Errorf("%d events were dead-lettered", n))
	}
	return err
}

func transportOf(spec Spec) eds.Transport {
	if spec.Protocol == "pulsar" {
		return pulsarws.NewConsumer(spec.URL, pulsarTopic, pulsarSubscription,
			pulsarws.Subscribe(pulsarws.Shared), pulsarws.ReceiverQueueSize(1000))
	}
	return edsv2.New(spec.URL, queueName, edsv2.APIKey("bench"))
}

// quiet has every middleware, and telemetry that nobody listens to: no-op
// spans and metrics, logging from warnings on.
func quiet() pipeline {
	return pipeline{
		tracer: nooptrace.NewTracerProvider(),
		meter:  noopmetric.NewMeterProvider(),
		log:    slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

// observed has all of it on: spans of which 1% are sampled, the metrics SDK,
// one JSON log line per event.
func observed() pipeline {
	return pipeline{
		tracer: sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.TraceIDRatioBased(0.01))),
		meter:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())),
		log:    slog.New(slog.NewJSONHandler(io.Discard, nil)),
	}
}

// unmetered is observed without the metrics SDK, to see what that costs.
func unmetered() pipeline {
	p := observed()
	p.meter = noopmetric.NewMeterProvider()
	return p
}

// inMemory keeps the seen events in an LRU.
func inMemory(build func() pipeline, opts ...eds.Option) loop {
	return func(ctx context.Context, spec Spec) error {
		store, err := lru.New(lru.Size(seenEvents))
		if err != nil {
			return err
		}
		p := build()
		p.store, p.opts = store, opts
		return p.run(ctx, spec)
	}
}

// inRedis keeps them in Redis, for which events have to run side by side:
// those that wait share round trips.
func inRedis(build func() pipeline, opts ...eds.Option) loop {
	return func(ctx context.Context, spec Spec) error {
		client, err := emptyRedis(ctx, spec)
		if err != nil {
			return err
		}
		defer client.Close()
		p := build()
		store, err := redisstore.New(client, redisstore.FailClosed(), redisstore.Logger(p.log))
		if err != nil {
			return err
		}
		p.store, p.opts = store, opts
		return p.run(ctx, spec)
	}
}

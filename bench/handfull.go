package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// handFull is hand with what the pipeline does too, in the loop: a span that
// is sampled at 1%, a JSON log line, an LRU instead of the map, recover.
func handFull(ctx context.Context, spec Spec) error {
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.TraceIDRatioBased(0.01)))
	defer provider.Shutdown(context.WithoutCancel(ctx))
	tracer := provider.Tracer("bench")
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	seen, err := lru.New[string, struct{}](seenEvents)
	if err != nil {
		return err
	}
	return handLoop(ctx, spec, func(ctx context.Context, e *inPayload) (err error) {
		ctx, span := tracer.Start(ctx, "process "+queueName, trace.WithSpanKind(trace.SpanKindConsumer))
		defer span.End()
		if span.IsRecording() {
			span.SetAttributes(
				attribute.String("messaging.message.id", e.EventID),
				attribute.String("messaging.destination.name", e.QueueName))
		}
		started := time.Now()
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("panic: %v", r)
			}
			log.LogAttrs(ctx, slog.LevelInfo, "event handled", slog.String("id", e.EventID),
				slog.String("type", e.EventType), slog.Duration("took", time.Since(started)))
		}()
		if known, _ := seen.ContainsOrAdd(e.EventID, struct{}{}); known {
			return nil
		}
		return dispatchByHand(spec, e)
	})
}

// seenEvents is the capacity of the memory stores.
const seenEvents = 1 << 16

// handRedis is hand with one SET NX per event instead of the map.
func handRedis(ctx context.Context, spec Spec) error {
	client, err := emptyRedis(ctx, spec)
	if err != nil {
		return err
	}
	defer client.Close()
	return handLoop(ctx, spec, func(ctx context.Context, e *inPayload) error {
		// The answer is nil when the key was there before.
		err := client.SetArgs(ctx, "seen:"+e.EventID, 1, redis.SetArgs{Mode: "NX", TTL: time.Hour}).Err()
		switch err {
		case nil:
			return dispatchByHand(spec, e)
		case redis.Nil:
			return nil
		}
		return err
	})
}

func emptyRedis(ctx context.Context, spec Spec) (*redis.Client, error) {
	client := redis.NewClient(&redis.Options{Addr: spec.Redis})
	if err := client.FlushDB(ctx).Err(); err != nil {
		client.Close()
		return nil, fmt.Errorf("redis at %s: %w", spec.Redis, err)
	}
	return client, nil
}

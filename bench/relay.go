package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/dedupe/lru"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/middleware"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// The stream between the receiver and the workers, and their group.
const (
	streamName  = "bench"
	workerGroup = "workers"
)

// relay is the receiver: it appends events to the stream and acknowledges
// them.
func relay(ctx context.Context, spec Spec) (err error) {
	client := redis.NewClient(&redis.Options{Addr: spec.Redis})
	defer client.Close()
	p := observed()
	if p.store, err = lru.New(lru.Size(seenEvents)); err != nil {
		return err
	}
	p.opts = []eds.Option{eds.Concurrency(max(spec.Receiving, 1))}
	stream, err := redisstream.Publish(client, streamName, redisstream.Logger(p.log))
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		err = errors.Join(err, stream.Close(ctx))
	}()
	return p.receive(ctx, spec, func(ctx context.Context, e *eds.Event) error {
		handled.Add(1)
		return stream.Handle(ctx, e)
	})
}

// receive is an App with what a receiver needs, which has no work to do.
func (p pipeline) receive(ctx context.Context, spec Spec, record eds.Handler) error {
	app := eds.New(transportOf(spec), append(slices.Clip(p.opts), eds.Logger(p.log))...)
	app.Use(
		middleware.Tracing(middleware.TracerProvider(p.tracer)),
		middleware.Metrics(middleware.MeterProvider(p.meter)),
		middleware.Dedupe(p.store, middleware.DedupeMeterProvider(p.meter)),
	)
	app.Handle("*", record)
	return app.Run(ctx)
}

// relayByHand appends each event before it reads the next one.
func relayByHand(ctx context.Context, spec Spec) error {
	client := redis.NewClient(&redis.Options{Addr: spec.Redis, PoolSize: 1})
	defer client.Close()
	return handLoop(ctx, spec, func(ctx context.Context, e *inPayload) error {
		handled.Add(1)
		return client.XAdd(ctx, &redis.XAddArgs{Stream: streamName, Values: []any{
			"id", e.EventID, "type", e.EventType, "source", spec.URL + "/" + e.QueueName,
			"queue", e.QueueName, "time", e.EventTs, "payload", []byte(e.EventPayload),
		}}).Err()
	})
}

// sampleEvents returns what makes the events that the receiver hands to its
// handler.
func sampleEvents(spec Spec) (func(n int) *eds.Event, error) {
	text, err := newEvent(spec.Size, 0)
	if err != nil {
		return nil, err
	}
	var frame inFrame
	if err := json.Unmarshal(text, &frame); err != nil {
		return nil, err
	}
	f := frame.FramePayload
	at := time.Date(2026, 3, 20, 14, 30, 0, 0, time.UTC)
	return func(n int) *eds.Event {
		id := []byte(f.EventID)
		setNumber(id, n)
		return &eds.Event{
			ID: string(id), Type: f.EventType, Source: "eds://127.0.0.1:40000/" + f.QueueName, Queue: f.QueueName,
			Time: at, Payload: f.EventPayload,
		}
	}, nil
}

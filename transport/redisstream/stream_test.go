package redisstream_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

const (
	stream = "orders"
	group  = "billing"
)

var quiet = slog.New(slog.DiscardHandler)

// soon are settings with which things happen while a test waits.
func soon(opts ...redisstream.WorkerOption) []redisstream.WorkerOption {
	return append([]redisstream.WorkerOption{
		redisstream.MinIdle(time.Second), redisstream.NackDelay(50 * time.Millisecond), redisstream.Logger(quiet),
	}, opts...)
}

// worker returns one that is closed at the end of the test.
func worker(tb testing.TB, client redis.UniversalClient, opts ...redisstream.WorkerOption) *redisstream.Transport {
	tb.Helper()
	w := redisstream.New(client, stream, group, soon(opts...)...)
	tb.Cleanup(func() { closeNow(tb, w) })
	return w
}

func closeNow(tb testing.TB, c interface{ Close(context.Context) error }) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		tb.Errorf("Close: %v", err)
	}
}

// publisher returns one that is closed at the end of the test.
func publisher(tb testing.TB, client redis.UniversalClient, opts ...redisstream.PublisherOption) *redisstream.Publisher {
	tb.Helper()
	p, err := redisstream.Publish(client, stream, append([]redisstream.PublisherOption{redisstream.Logger(quiet)}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { closeNow(tb, p) })
	return p
}

func event(id string) *eds.Event {
	return &eds.Event{
		ID: id, Type: "SAMPLE", Source: "eds://eds.example/q", Queue: "q",
		Time: time.Date(2026, 3, 20, 14, 30, 0, 123e6, time.UTC), Payload: []byte(`{"id":"` + id + `"}`),
	}
}

func publish(tb testing.TB, p *redisstream.Publisher, ids ...string) {
	tb.Helper()
	for _, id := range ids {
		if err := p.Handle(tb.Context(), event(id)); err != nil {
			tb.Fatalf("publish %s: %v", id, err)
		}
	}
}

// expect receives the next delivery, which must be of the event id.
func expect(tb testing.TB, w *redisstream.Transport, id string) *eds.Delivery {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 20*time.Second)
	defer cancel()
	d, err := w.Receive(ctx)
	if err != nil {
		tb.Fatalf("waiting for event %s: %v", id, err)
	}
	if d.Event.ID != id {
		tb.Fatalf("received event %q, want %q", d.Event.ID, id)
	}
	return d
}

func ack(tb testing.TB, w *redisstream.Transport, d *eds.Delivery) {
	tb.Helper()
	if err := w.Ack(tb.Context(), d); err != nil {
		tb.Fatalf("Ack of %s: %v", d.Event.ID, err)
	}
}

func await(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	// real time: what a server does in its own process tells nobody
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("waited in vain for %s", what)
		}
	}
}

// pending is how many entries are not acknowledged.
func pending(tb testing.TB, client redis.UniversalClient, stream string) int64 {
	tb.Helper()
	p, err := client.XPending(context.Background(), stream, group).Result()
	if err != nil {
		tb.Fatal(err)
	}
	return p.Count
}

// die makes the workers of a stream appear dead for an hour: what they have is another's,
// who has not touched it since.
func die(ctx context.Context, client redis.UniversalClient) error {
	all, err := client.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: stream, Group: group, Start: "-", End: "+", Count: 1000}).Result()
	for _, one := range all {
		args := []any{"XCLAIM", stream, group, "late", 0, one.ID, "IDLE", time.Hour.Milliseconds(), "JUSTID"}
		if err := client.Do(ctx, args...).Err(); err != nil {
			return err
		}
	}
	return err
}

// entryOf finds the entry of an event.
func entryOf(ctx context.Context, client redis.UniversalClient, stream, id string) (string, error) {
	all, err := client.XRange(ctx, stream, "-", "+").Result()
	for _, m := range all {
		if m.Values["id"] == id {
			return m.ID, nil
		}
	}
	return "", fmt.Errorf("no entry of event %s in %s: %w", id, stream, err)
}

func start(tb testing.TB, args ...string) (*redistest.Server, *redis.Client) {
	tb.Helper()
	server := redistest.Start(tb, args...)
	return server, server.Client()
}

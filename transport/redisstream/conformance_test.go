package redisstream_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/redisstream"
	"github.com/eventdelivery/eds-go/transport/transporttest"
)

// TestConformance runs the suite on a real Redis. A lost connection is one
// that was lost for so long that the entries were another's meanwhile; short
// of that, nothing comes again.
func TestConformance(t *testing.T) {
	for name, opts := range map[string][]redisstream.WorkerOption{
		"default":    nil,
		"one_by_one": {redisstream.Window(1, 1<<20)},
		"small":      {redisstream.Window(100, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits most of the time
			server := redistest.Start(t)
			f := transporttest.Features{Ordered: true, Nack: true, Patience: 20 * time.Second}
			transporttest.Run(t, f, func(t testing.TB) transporttest.Service {
				server.Wipe()
				admin := server.Client()
				proxy := redistest.NewProxy(t, server.Addr)
				pub := publisher(t, admin)
				return transporttest.Service{
					Publish: func(ctx context.Context, e eds.Event) error { return pub.Handle(ctx, &e) },
					Dial: func() eds.Transport {
						return redisstream.New(redistest.NewClient(t, proxy.Addr), stream, group, soon(opts...)...)
					},
					WaitAcked: func(ctx context.Context, id string) error { return waitAcked(ctx, admin, id) },
					Disconnect: func() {
						if err := die(t.Context(), admin); err != nil {
							t.Error(err)
						}
						proxy.Reset()
					},
					PublishUnreadable: func(ctx context.Context) error {
						return admin.XAdd(ctx, &redis.XAddArgs{Stream: stream, Values: []string{"foreign", "entry"}}).Err()
					},
				}
			})
		})
	}
}

// waitAcked waits until the entry of an event was delivered and is no longer
// pending.
func waitAcked(ctx context.Context, client redis.UniversalClient, id string) error {
	entry, err := entryOf(ctx, client, stream, id)
	if err != nil {
		return err
	}
	for {
		p, err := client.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: stream, Group: group, Start: entry, End: entry, Count: 1}).Result()
		if err != nil {
			return err
		}
		if len(p) == 0 {
			return nil
		}
		// real time: Redis tells nobody of an acknowledgement
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
}

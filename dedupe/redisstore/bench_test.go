package redisstore_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/dedupe/redisstore"
	"github.com/eventdelivery/eds-go/internal/redistest"
)

// BenchmarkClaimCommit is the claim and the commit of a new event, two
// commands, by so many goroutines at once, on a Redis that shares this
// machine. The figures that mean something are the ratios: to one goroutine,
// and to the rows of the client alone, which has no batches.
func BenchmarkClaimCommit(b *testing.B) {
	server := redistest.Start(b)
	client := server.Client(func(o *redis.Options) { o.PoolSize = 300 })
	heeding := server.Client(func(o *redis.Options) { o.ContextTimeoutEnabled = true })
	var n atomic.Int64
	spread := func(b *testing.B, workers int, event func(key string)) {
		b.ReportAllocs()
		server.Wipe()
		b.ResetTimer()
		var wg sync.WaitGroup
		left := atomic.Int64{}
		left.Store(int64(b.N))
		for range workers {
			wg.Go(func() {
				for left.Add(-1) >= 0 {
					event(dedupe.Key("", "eds://eds.example/my-queue", "my-queue", fmt.Sprintf("%036d", n.Add(1))))
				}
			})
		}
		wg.Wait()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	}
	ctx := context.Background()
	for _, row := range []struct {
		name    string
		client  *redis.Client
		workers int
	}{
		{"store/1", heeding, 1},
		{"store/16", heeding, 16},
		{"store/256", heeding, 256},
		{"store-default-client/1", client, 1},
		{"store-default-client/256", client, 256},
	} {
		b.Run(row.name, func(b *testing.B) {
			s, err := redisstore.New(row.client, redisstore.Logger(slog.New(slog.DiscardHandler)))
			if err != nil {
				b.Fatal(err)
			}
			spread(b, row.workers, func(key string) {
				h := dedupe.Hold{Key: key, Token: dedupe.NewToken()}
				if c, err := s.Claim(ctx, h); err != nil || c.State != dedupe.Acquired {
					b.Error(c, err)
				}
				if owned, err := s.Commit(ctx, h, dedupe.Succeeded); err != nil || !owned {
					b.Error(owned, err)
				}
			})
			if st := s.Stats(); st.Errors+st.Fallbacks > 0 {
				b.Errorf("%+v", st)
			}
		})
	}
	for _, workers := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("client/%d", workers), func(b *testing.B) {
			spread(b, workers, func(key string) {
				client.SetArgs(ctx, key, "x", redis.SetArgs{Mode: "NX", Get: true, TTL: dedupe.DefaultRetention})
				client.SetArgs(ctx, key, "y", redis.SetArgs{Get: true, TTL: dedupe.DefaultRetention})
			})
		})
	}
}

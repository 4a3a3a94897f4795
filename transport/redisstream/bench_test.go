package redisstream_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// BenchmarkPublish appends events of so many goroutines, on a Redis that
// shares this machine.
func BenchmarkPublish(b *testing.B) {
	server := redistest.Start(b)
	for _, lanes := range []int{1, 16, 256} {
		b.Run(fmt.Sprint(lanes), func(b *testing.B) {
			server.Wipe()
			pub, err := redisstream.Publish(server.Client(), stream, redisstream.Logger(quiet), redisstream.TrimAbove(-1))
			if err != nil {
				b.Fatal(err)
			}
			defer closeNow(b, pub)
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			var next atomic.Int64
			for range lanes {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						if err := pub.Handle(context.Background(), event(fmt.Sprint(n))); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkWork has an App read events and acknowledge them.
func BenchmarkWork(b *testing.B) {
	server := redistest.Start(b)
	client := server.Client()
	pub, err := redisstream.Publish(client, stream, redisstream.Logger(quiet), redisstream.TrimAbove(-1))
	if err != nil {
		b.Fatal(err)
	}
	defer closeNow(b, pub)
	var wg sync.WaitGroup
	for lane := range 128 {
		wg.Go(func() {
			for n := lane; n < b.N; n += 128 {
				if err := pub.Handle(context.Background(), event(fmt.Sprint(n))); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var w eds.Transport = redisstream.New(redis.UniversalClient(client), stream, group, redisstream.Logger(quiet))
	app := eds.New(w, eds.Logger(quiet))
	ctx, cancel := context.WithCancel(context.Background())
	left, began, took := b.N, time.Now(), time.Duration(0)
	app.Handle("SAMPLE", func(context.Context, *eds.Event) error {
		if left--; left == 0 {
			took = time.Since(began) // the end waits for the last read
			cancel()
		}
		return nil
	})
	b.ReportAllocs()
	b.ResetTimer()
	if err := app.Run(ctx); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/took.Seconds(), "events/s")
}

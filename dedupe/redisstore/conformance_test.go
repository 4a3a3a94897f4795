package redisstore_test

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/dedupe/dedupetest"
	"github.com/eventdelivery/eds-go/dedupe/redisstore"
	"github.com/eventdelivery/eds-go/internal/redistest"
)

var quiet = redisstore.Logger(slog.New(slog.DiscardHandler))

func open(tb testing.TB, client redis.UniversalClient, opts ...redisstore.Option) *redisstore.Store {
	tb.Helper()
	s, err := redisstore.New(client, append([]redisstore.Option{quiet}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

var spaces atomic.Int64

func TestConformance(t *testing.T) {
	server := redistest.Start(t)
	for name, mode := range map[string]struct {
		client   func(*redis.Options)
		opts     []redisstore.Option
		features dedupetest.Features
	}{
		"scripts": {},
		"scripts, client heeds contexts": {
			client: func(o *redis.Options) { o.ContextTimeoutEnabled = true },
		},
		"hashed keys": {opts: []redisstore.Option{redisstore.HashKeys()}},
		"plain": {
			opts:     []redisstore.Option{redisstore.Plain()},
			features: dedupetest.Features{ForgetsAttempts: true, ReleaseWaits: true},
		},
		"before 7.0": {
			opts: []redisstore.Option{redisstore.WithoutSetNXGet()},
		},
	} {
		t.Run(name, func(t *testing.T) {
			change := mode.client
			if change == nil {
				change = func(*redis.Options) {}
			}
			var client *redis.Client // of the last store
			mode.features.Break = func(testing.TB, dedupe.Store) { client.Close() }
			for processes := 1; processes <= 2; processes++ {
				t.Run(fmt.Sprint(processes, " processes"), func(t *testing.T) {
					dedupetest.Run(t, func(tb testing.TB, retention time.Duration) dedupe.Store {
						client = server.Client(change)
						opts := append([]redisstore.Option{
							redisstore.Retention(retention),
							redisstore.Prefix(fmt.Sprintf("%d:", spaces.Add(1))),
						}, mode.opts...)
						var t turns
						for range processes {
							t.stores = append(t.stores, open(tb, client, opts...))
						}
						return &t
					}, mode.features)
				})
			}
		})
	}
}

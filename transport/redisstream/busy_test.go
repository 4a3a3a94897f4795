package redisstream_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// A Redis that answers with a refusal which passes keeps nobody from coming
// back: events stay with their service meanwhile, with the reason, and are
// handled afterwards.
func TestRefusalsThatPass(t *testing.T) {
	t.Parallel() // it waits most of the time
	for name, c := range map[string]struct {
		args []string
		// begin makes the server refuse, and returns what ends that.
		begin  func(*testing.T, *redistest.Server) (end func())
		reason string
	}{
		"a script runs on": {
			args: []string{"--busy-reply-threshold", "50"},
			begin: func(t *testing.T, server *redistest.Server) func() {
				done := make(chan struct{})
				endless := server.Client(func(o *redis.Options) { o.MaxRetries, o.ReadTimeout = -1, time.Minute })
				go func() {
					defer close(done)
					endless.Eval(context.Background(), "while true do end", nil)
				}()
				admin := server.Client()
				await(t, "the script", func() bool { return redis.HasErrorPrefix(admin.Ping(t.Context()).Err(), "BUSY") })
				return func() {
					if err := admin.ScriptKill(t.Context()).Err(); err != nil {
						t.Error(err)
					}
					<-done
				}
			},
			reason: "BUSY",
		},
		"it is loading": {
			// With it, each key takes 10 ms to be loaded.
			args: []string{"--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024", "--rdbcompression", "no"},
			begin: func(t *testing.T, server *redistest.Server) func() {
				admin := server.Client()
				pipe := admin.Pipeline()
				for i := range 150 {
					pipe.Set(t.Context(), fmt.Sprint("k", i), strings.Repeat("x", 1024), 0)
				}
				if _, err := pipe.Exec(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := admin.Save(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				server.Relaunch()
				return func() {}
			},
			reason: "LOADING",
		},
		"too few replicas": {
			begin: func(t *testing.T, server *redistest.Server) func() {
				set := func(n string) {
					if err := server.Client().ConfigSet(t.Context(), "min-replicas-to-write", n).Err(); err != nil {
						t.Fatal(err)
					}
				}
				set("1")
				return func() { set("0") }
			},
			reason: "NOREPLICAS",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t, c.args...)
			pub := publisher(t, server.Client(impatient), redisstream.SendTimeout(200*time.Millisecond))
			count := newCounter(1 << 30)
			runWorkers(t, 2, func() *redis.Client { return server.Client(impatient) }, count)
			before := deliver(t, pub, "before", 20)
			count.handledAll(t, before)
			end := c.begin(t, server)
			during := deliver(t, pub, "during", 20)
			during.told(t, c.reason)
			end()
			count.handledAll(t, during)
			admin := server.Client()
			await(t, "all to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })
		})
	}
}

// A Redis without a connection to spare leaves events with their service, and
// workers without work, until there is one.
func TestTooManyConnections(t *testing.T) {
	t.Parallel() // it waits most of the time
	server := redistest.Start(t, "--maxclients", "12")
	var greedy []*redis.Client
	for {
		c := server.Client(func(o *redis.Options) { o.MaxRetries = -1 })
		if c.Ping(t.Context()).Err() != nil {
			break
		}
		greedy = append(greedy, c)
	}
	pub := publisher(t, server.Client(impatient), redisstream.SendTimeout(200*time.Millisecond))
	source := deliver(t, pub, "", 20)
	count := newCounter(1 << 30)
	runWorkers(t, 1, func() *redis.Client { return server.Client(impatient) }, count)
	await(t, "the publisher to fail", func() bool { return len(source.tries()) > 8 })
	source.onlyRedelivered(t)
	if n := source.count(); n > 0 {
		t.Errorf("%d events were acknowledged without a connection", n)
	}
	for _, c := range greedy {
		c.Close()
	}
	count.handledAll(t, source)
	admin := server.Client()
	await(t, "all to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })
}

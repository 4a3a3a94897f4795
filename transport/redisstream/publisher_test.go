package redisstream_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/memory"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// trips counts what a client sends together.
type trips struct{ n atomic.Int64 }

func (c *trips) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (c *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "xadd" {
			c.n.Add(1)
		}
		return next(ctx, cmd)
	}
}

func (c *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() == "xadd" {
			c.n.Add(1)
		}
		return next(ctx, cmds)
	}
}

func TestAppendsShareRoundTrips(t *testing.T) {
	server, admin := start(t)
	client := server.Client()
	count := new(trips)
	client.AddHook(count)
	pub := publisher(t, client)
	const n, lanes = 5000, 100
	var wg sync.WaitGroup
	for lane := range lanes {
		wg.Go(func() {
			for i := lane; i < n; i += lanes {
				if err := pub.Handle(t.Context(), event(fmt.Sprint(i))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := admin.XLen(t.Context(), stream).Val(); got != n {
		t.Errorf("%d entries, want %d", got, n)
	}
	if trips := count.n.Load(); trips > n/5 {
		t.Errorf("%d round trips for %d events of %d goroutines", trips, n, lanes)
	} else {
		t.Logf("%d round trips for %d events of %d goroutines", trips, n, lanes)
	}
}

func TestTraceContextTravelsAlong(t *testing.T) {
	before := otel.GetTextMapPropagator()
	t.Cleanup(func() { otel.SetTextMapPropagator(before) })
	otel.SetTextMapPropagator(propagation.TraceContext{})
	_, client := start(t)
	pub := publisher(t, client)
	e := event("1")
	e.Attributes = map[string]string{"traceparent": "00-of-the-receiver-01", "tenant": "7"}
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	if err := pub.Handle(trace.ContextWithSpanContext(t.Context(), span), e); err != nil {
		t.Fatal(err)
	}
	d := expect(t, worker(t, client), "1")
	if got := d.Event.Attributes["traceparent"]; got != "00-01000000000000000000000000000000-0200000000000000-01" || d.Event.Attributes["tenant"] != "7" {
		t.Errorf("attributes %v", d.Event.Attributes)
	}
	if e.Attributes["traceparent"] != "00-of-the-receiver-01" {
		t.Error("the event of the receiver was changed")
	}
}

// While Redis cannot take them, events stay with their service: Handle says
// so soon, and nothing is acknowledged. When it can again, they go on.
func TestRedisCannotTakeIt(t *testing.T) {
	t.Parallel() // it waits most of the time
	for name, fault := range map[string]func(t *testing.T, server *redistest.Server, proxy *redistest.Proxy) (mend func()){
		"out of memory": func(t *testing.T, server *redistest.Server, _ *redistest.Proxy) func() {
			set := func(v string) {
				if err := server.Client().ConfigSet(t.Context(), "maxmemory", v).Err(); err != nil {
					t.Fatal(err)
				}
			}
			set("1")
			return func() { set("0") }
		},
		"down": func(_ *testing.T, _ *redistest.Server, proxy *redistest.Proxy) func() {
			proxy.Down()
			return proxy.Pass
		},
		"silent": func(_ *testing.T, _ *redistest.Server, proxy *redistest.Proxy) func() {
			proxy.BlackHole()
			return proxy.Pass
		},
		"frozen": func(_ *testing.T, server *redistest.Server, _ *redistest.Proxy) func() {
			server.Pause()
			return server.Resume
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			proxy := redistest.NewProxy(t, server.Addr)
			client := redistest.NewClient(t, proxy.Addr, func(o *redis.Options) { o.ReadTimeout = 500 * time.Millisecond })
			pub := publisher(t, client, redisstream.SendTimeout(300*time.Millisecond))
			publish(t, pub, "0")

			queue := memory.New("q")
			app := eds.New(queue, eds.Logger(quiet))
			failed := make(chan error, 100)
			app.Handle("SAMPLE", func(ctx context.Context, e *eds.Event) error {
				err := pub.Handle(ctx, e)
				if err != nil {
					select {
					case failed <- err:
					default:
					}
				}
				return err
			})
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := app.Run(ctx); err != nil {
					t.Error(err)
				}
			})
			defer wg.Wait()
			defer cancel()

			mend := fault(t, server, proxy)
			began := time.Now()
			if err := queue.Publish(*event("1")); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := <-failed; eds.OutcomeOf(err) != eds.Redelivered {
					t.Errorf("Handle: %v, want it to be left for redelivery", err)
				}
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("two tries took %v", took)
			}
			if _, _, acked := queue.Counts(); acked != 0 {
				t.Errorf("%d acknowledged", acked)
			}
			mend()
			if err := queue.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := server.Client().XLen(t.Context(), stream).Val(); n < 2 {
				t.Errorf("%d entries, want the event", n)
			}
		})
	}
}

// F9: when the reply to an append is lost, the entry may be there twice, with
// one id, and never not at all.
func TestLostReplyToAnAppend(t *testing.T) {
	t.Parallel() // it waits most of the time
	faults.Covers(t, "F9")
	server, admin := start(t)
	proxy := redistest.NewProxy(t, server.Addr)
	pub := publisher(t, redistest.NewClient(t, proxy.Addr))
	publish(t, pub, "0")
	proxy.CutReplies(1)
	publish(t, pub, "1")
	if proxy.Lost() != 1 {
		t.Fatalf("%d replies lost", proxy.Lost())
	}
	all := admin.XRange(t.Context(), stream, "-", "+").Val()
	if len(all) != 3 || all[1].Values["id"] != "1" || all[2].Values["id"] != "1" {
		t.Fatalf("entries %v, want event 1 twice", all)
	}
	// The two are one event: an App joins them to one run.
	count := newCounter(2)
	runWorkers(t, 1, func() *redis.Client { return server.Client() }, count)
	count.wait(t)
	await(t, "all three to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })
}

// An append that waits for replicas fails where there are too few, and holds
// after a fail-over to one that has it.
func TestReplicas(t *testing.T) {
	t.Parallel() // it waits most of the time
	server, admin := start(t)
	pub := publisher(t, server.Client(), redisstream.Replicas(1), redisstream.SendTimeout(2*time.Second))
	if err := pub.Handle(t.Context(), event("0")); eds.OutcomeOf(err) != eds.Redelivered || !strings.Contains(err.Error(), "0 of 1 replicas") {
		t.Errorf("Handle without a replica: %v, want it to be left for redelivery", err)
	}
	if n := admin.XLen(t.Context(), stream).Val(); n != 1 {
		t.Errorf("%d entries, want the event once", n)
	}
	host, port, _ := net.SplitHostPort(server.Addr)
	replica := redistest.Start(t, "--replicaof", host+" "+port)
	await(t, "the replica", func() bool {
		n, err := admin.Wait(t.Context(), 1, 10*time.Millisecond).Result()
		return err == nil && n == 1
	})
	slow := publisher(t, server.Client(), redisstream.Replicas(1))
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if err := slow.Handle(t.Context(), event(fmt.Sprint("r", i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	server.Kill()
	for i := range 50 {
		if _, err := entryOf(t.Context(), replica.Client(), stream, fmt.Sprint("r", i)); err != nil {
			t.Errorf("after the fail-over: %v", err)
		}
	}
}

func TestPublisherRefuses(t *testing.T) {
	_, client := start(t)
	for name, opts := range map[string][]redisstream.PublisherOption{
		"no partition":     {redisstream.Partitions(0)},
		"no time":          {redisstream.SendTimeout(0)},
		"negative replica": {redisstream.Replicas(-1)},
		"no interval":      {redisstream.TrimEvery(0)},
	} {
		if _, err := redisstream.Publish(client, stream, opts...); !isConfig(err) {
			t.Errorf("%s: %v, want a *ConfigError", name, err)
		}
	}
	if _, err := redisstream.Publish(nil, ""); !isConfig(err) {
		t.Errorf("no client: %v, want a *ConfigError", err)
	}
	if err := client.Set(t.Context(), stream, "text", 0).Err(); err != nil {
		t.Fatal(err)
	}
	pub := publisher(t, client)
	if err := pub.Handle(t.Context(), event("1")); !redis.HasErrorPrefix(errors.Unwrap(errors.Unwrap(err)), "WRONGTYPE") {
		t.Errorf("a key of another type: %v", err)
	}
	closeNow(t, pub)
	if err := pub.Handle(t.Context(), event("1")); eds.OutcomeOf(err) != eds.Redelivered {
		t.Errorf("after Close: %v", err)
	}
}

func isConfig(err error) bool { _, ok := errors.AsType[*eds.ConfigError](err); return ok }

// A connection that the server refuses takes nothing. go-redis says so of the
// pipeline, and of none of its commands.
func TestRefusedConnectionTakesNothing(t *testing.T) {
	const n = 100
	all := func(t *testing.T, pub *redisstream.Publisher) (confirmed int64) {
		var count atomic.Int64
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				switch err := pub.Handle(t.Context(), event(fmt.Sprint(i))); {
				case err == nil:
					count.Add(1)
				case eds.OutcomeOf(err) != eds.Redelivered:
					t.Errorf("%v, want eds.Redeliver", err)
				}
			})
		}
		wg.Wait()
		return count.Load()
	}
	t.Run("the password is changed", func(t *testing.T) {
		faults.Covers(t, "F17")
		server, admin := start(t)
		set := func(password string) {
			if err := admin.ConfigSet(t.Context(), "requirepass", password).Err(); err != nil {
				t.Fatal(err)
			}
		}
		set("old")
		pub := publisher(t, server.Client(func(o *redis.Options) { o.Password = "old" }))
		if confirmed := all(t, pub); confirmed != n {
			t.Fatalf("%d of %d confirmed", confirmed, n)
		}
		set("new")
		if err := admin.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
			t.Fatal(err)
		}
		confirmed := all(t, pub)
		if entries, err := admin.XLen(t.Context(), stream).Result(); err != nil || confirmed != entries-n {
			t.Errorf("%d confirmed, and %d more entries (%v)", confirmed, entries-n, err)
		}
	})
	t.Run("there is no such database", func(t *testing.T) {
		server, _ := start(t)
		pub := publisher(t, server.Client(func(o *redis.Options) { o.DB = 99 }), redisstream.SendTimeout(time.Second))
		if confirmed := all(t, pub); confirmed > 0 {
			t.Errorf("%d confirmed", confirmed)
		}
	})
}

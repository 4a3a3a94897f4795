package redisstream_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// A worker for which no partition is left is connected like the others, and so
// ready: it waits for one of them to end.
func TestSpareWorkerIsConnected(t *testing.T) {
	t.Parallel() // it waits most of the time
	server, _ := start(t)
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer wg.Wait()
	defer cancel()
	var workers []*redisstream.Transport
	for range 8 { // which of them has one, is chance
		w := worker(t, server.Client(), redisstream.Partitions(2))
		workers = append(workers, w)
		wg.Go(func() { _, _ = w.Receive(ctx) })
	}
	await(t, "all to be connected", func() bool {
		connected := 0
		for _, w := range workers {
			if w.Status().State == eds.Connected {
				connected++
			}
		}
		return connected == len(workers)
	})
}

// A worker that has its hands full, and so reads nothing, sees that Redis is
// back; and does not take a Redis for it that only answers questions.
func TestBusyWorkerSeesThatRedisIsBack(t *testing.T) {
	t.Parallel() // it waits most of the time
	server, admin := start(t)
	publish(t, publisher(t, admin), "1", "2")
	quick := func(o *redis.Options) {
		o.MaxRetries, o.DialTimeout, o.ReadTimeout = -1, 300*time.Millisecond, 300*time.Millisecond
	}
	w := worker(t, server.Client(quick), redisstream.Window(1, 1<<20))
	d := expect(t, w, "1")
	is := func(s eds.State) func() bool { return func() bool { return w.Status().State == s } }
	server.Pause()
	await(t, "the outage", is(eds.Connecting))
	server.Resume()
	await(t, "the end of the outage", is(eds.Connected))

	if err := admin.ConfigSet(t.Context(), "min-replicas-to-write", "1").Err(); err != nil {
		t.Fatal(err)
	}
	ack(t, w, d)
	await(t, "the acknowledgement to be refused", is(eds.Connecting))
	before := w.Status().Connects
	rounds := calls(t, admin, "evalsha")
	await(t, "a few rounds", func() bool { return calls(t, admin, "evalsha") > rounds+3 })
	if s := w.Status(); s.State != eds.Connecting || s.Connects != before {
		t.Errorf("while no acknowledgement is taken it is %v, connected %d times anew", s.State, s.Connects-before)
	}
	if err := admin.ConfigSet(t.Context(), "min-replicas-to-write", "0").Err(); err != nil {
		t.Fatal(err)
	}
	ack(t, w, expect(t, w, "2"))
}

package redisstream_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

func setMemory(tb testing.TB, admin *redis.Client, limit string) {
	tb.Helper()
	if err := admin.ConfigSet(context.Background(), "maxmemory", limit).Err(); err != nil {
		tb.Fatal(err)
	}
}

// A backlog that has filled Redis is worked off, also by workers that begin
// only then; the publisher leaves new events to the service meanwhile.
func TestFullRedis(t *testing.T) {
	t.Parallel() // it waits most of the time
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint(n, " streams"), func(t *testing.T) {
			server, admin := start(t)
			spread := redisstream.Partitions(n)
			pub := publisher(t, server.Client(), spread, redisstream.SendTimeout(200*time.Millisecond))
			backlog := deliver(t, pub, "backlog", 300)
			backlog.wait()
			setMemory(t, admin, "1")
			more := deliver(t, pub, "more", 20)
			more.told(t, "OOM")
			count := newCounter(320)
			runWorkers(t, 2, func() *redis.Client { return server.Client() }, count, spread)
			count.handledAll(t, backlog)
			if n := more.count(); n > 0 {
				t.Errorf("%d events acknowledged by a full Redis", n)
			}
			setMemory(t, admin, "0")
			more.wait()
			count.handledAll(t, more)
		})
	}
}

// What all have done with goes when Redis is full, though TrimAbove would
// keep it: Redis gets well by itself.
func TestFullRedisMakesRoom(t *testing.T) {
	t.Parallel() // it waits most of the time
	for name, busy := range map[string]bool{"all are done": false, "one is at work all the time": true} {
		t.Run(name, func(t *testing.T) { fullRedisMakesRoom(t, busy) })
	}
}

func fullRedisMakesRoom(t *testing.T, busy bool) {
	server := redistest.Start(t, "--maxmemory", "8mb")
	pub := publisher(t, server.Client(), redisstream.SendTimeout(100*time.Millisecond))
	if busy {
		publish(t, pub, "busy")
		w := worker(t, server.Client(), redisstream.Window(1, 1<<20))
		d := expect(t, w, "busy")
		defer func() { ack(t, w, d) }()
	}
	count := newCounter(2000)
	runWorkers(t, 1, func() *redis.Client { return server.Client() }, count)
	big := strings.Repeat("x", 20_000)
	fails := 0
	for i := range 1000 { // 20 MB
		e := event(fmt.Sprint(i))
		e.Payload = []byte(`"` + big + `"`)
		for err := pub.Handle(t.Context(), e); err != nil; err = pub.Handle(t.Context(), e) {
			if fails++; fails > 300 {
				t.Fatalf("event %d: %v", i, err)
			}
		}
	}
	if fails == 0 {
		t.Error("Redis was never full: the test shows nothing")
	}
	t.Logf("%d tries failed", fails)
}

// F10: a Redis that evicts takes events and deletes them, acknowledged or
// not: there is no promise, and Check says so.
func TestEvictingRedis(t *testing.T) {
	t.Parallel() // it waits most of the time
	faults.Covers(t, "F10")
	server, admin := start(t, "--maxmemory", "6mb", "--maxmemory-policy", "allkeys-random")
	found, err := redisstream.Check(t.Context(), admin)
	if err != nil || !slices.Contains(settings(found), "maxmemory-policy allkeys-random") {
		t.Errorf("%q, %v; want a warning", settings(found), err)
	}
	pub := publisher(t, server.Client())
	for i := range 1000 { // 20 MB
		e := event(fmt.Sprint(i))
		e.Payload = []byte(`"` + strings.Repeat("x", 20_000) + `"`)
		if err := pub.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	left := len(entries(t, admin))
	t.Logf("1000 events were acknowledged to the service; %d of them are lost", 1000-left)
	if left == 1000 {
		t.Error("nothing was lost: the test does not see losses")
	}
}

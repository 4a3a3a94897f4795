package redisstream_test

import (
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// F16: publishers and workers of two versions share a stream. What an older
// publisher leaves away and a newer one adds keeps no worker from the event;
// and what this version writes is what the first one wrote.
func TestVersionsSideBySide(t *testing.T) {
	t.Parallel() // it waits most of the time
	faults.Covers(t, "F16")
	server, admin := start(t)
	add := func(fields ...string) {
		if err := admin.XAdd(t.Context(), &redis.XAddArgs{Stream: stream, Values: fields}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	add("id", "old", "type", "SAMPLE", "payload", `{"id":"old"}`)
	publish(t, publisher(t, admin), "this")
	add("version", "9", "payload.encoding", "none", "id", "new", "type", "SAMPLE", "source", "s", "queue", "q",
		"time", "2026-03-20T14:30:00Z", "payload", `{"id":"new"}`, "key", "k", "attr.tenant", "7", "unheard", "of")
	w := worker(t, server.Client())
	for _, id := range []string{"old", "this", "new"} {
		d := expect(t, w, id)
		if d.Err != nil || string(d.Event.Payload) != `{"id":"`+id+`"}` || d.Event.Type != "SAMPLE" {
			t.Errorf("event %s is %+v", id, d)
		}
		if id == "new" && (d.Event.Attributes["tenant"] != "7" || redisstream.Key(&d.Event) != "k" || len(d.Event.Attributes) != 3) {
			t.Errorf("attributes %v", d.Event.Attributes)
		}
		ack(t, w, d)
	}
	await(t, "all to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })

	e := event("1")
	e.Attributes = map[string]string{"b": "2", "a": "1"}
	var names []string
	for name := range redisstream.Fields(e, "k") {
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{"attr.a", "attr.b", "id", "key", "payload", "queue", "source", "time", "type"}
	if !slices.Equal(names, want) {
		t.Errorf("an entry has the fields %q, want %q, as all versions", names, want)
	}
}

// F16: the lease of a partition is a key with the holder's name, in all
// versions: nobody reads what another has, and takes it over when it ends.
func TestLeaseOfAnotherVersion(t *testing.T) {
	t.Parallel() // it waits most of the time
	faults.Covers(t, "F16")
	server, admin := start(t)
	const minIdle = 2 * time.Second
	key := "{orders:0}:billing:reader"
	if err := admin.Set(t.Context(), key, "another", minIdle).Err(); err != nil {
		t.Fatal(err)
	}
	spread := redisstream.Partitions(2)
	pub := publisher(t, admin, spread, redisstream.OrderBy(keyOf))
	publish(t, pub, "b/0", "a/0") // of the second partition and the first
	w := worker(t, server.Client(), spread, redisstream.MinIdle(minIdle))
	ack(t, w, expect(t, w, "b/0"))
	if holder := admin.Get(t.Context(), key).Val(); holder != "another" {
		t.Skipf("the machine was too slow: %q has the lease already", holder)
	}
	ack(t, w, expect(t, w, "a/0"))
	if holder := admin.Get(t.Context(), key).Val(); holder != w.Consumer() {
		t.Errorf("the lease is %q's, want %q", holder, w.Consumer())
	}
	if members := admin.ZRange(t.Context(), "{orders}:billing:workers", 0, -1).Val(); !slices.Equal(members, []string{w.Consumer()}) {
		t.Errorf("the roll of workers is %q", members)
	}
}

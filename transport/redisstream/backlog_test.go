package redisstream_test

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// look returns the backlog of the stream of these tests.
func look(t *testing.T, client redis.UniversalClient, opts ...redisstream.Option) []redisstream.Backlog {
	t.Helper()
	all, err := redisstream.Look(t.Context(), client, stream, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// What Look tells is what was put in, handed out, settled and given back.
func TestLook(t *testing.T) {
	client := redistest.Start(t).Client()
	if got := look(t, client)[0]; got.Stream != stream || got.Length != 0 || got.Groups != nil {
		t.Errorf("of no stream: %+v", got)
	}
	p := publisher(t, client)
	began := time.Now().Add(-time.Second)
	for _, id := range []string{"1", "2", "3", "4", "5"} {
		if err := p.Handle(t.Context(), event(id)); err != nil {
			t.Fatal(err)
		}
	}
	if got := look(t, client)[0]; got.Length != 5 || got.Bytes == 0 || len(got.Groups) != 0 {
		t.Errorf("without a group: %+v", got)
	}
	w := worker(t, client, redisstream.Window(3, 1<<20), redisstream.MinIdle(time.Minute), redisstream.NackDelay(time.Minute))
	var got []*eds.Delivery
	for range 3 {
		d, err := w.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, d)
	}
	g := look(t, client)[0].Groups[0]
	if g.Name != group || g.Waiting != 2 || g.Pending != 3 || g.Released != 0 || len(g.Consumers) != 1 || g.Consumers[0].Name != w.Consumer() || g.Consumers[0].Pending != 3 {
		t.Errorf("with three handed out: %+v", g)
	}
	if g.Oldest.Before(began) || g.Oldest.After(time.Now().Add(time.Second)) {
		t.Errorf("the oldest is of %v", g.Oldest)
	}
	first := g.Oldest

	// Closing tells Redis of what was settled, and gives back nothing else.
	if err := errors.Join(w.Ack(t.Context(), got[0]), w.Nack(t.Context(), got[1])); err != nil {
		t.Fatal(err)
	}
	closeNow(t, w)
	g = look(t, client)[0].Groups[0]
	if g.Pending < 2 || g.Released < 1 || g.Waiting+g.Pending != 4 || g.Oldest.Before(first) {
		t.Errorf("with one done and one given back: %+v", g)
	}

	if err := client.XGroupCreate(t.Context(), stream, "another", "0").Err(); err != nil {
		t.Fatal(err)
	}
	groups := look(t, client)[0].Groups
	if len(groups) != 2 || groups[0].Name != "another" || groups[0].Waiting != 5 || groups[0].Pending != 0 || !groups[0].Oldest.Equal(first) {
		t.Errorf("of a group that did nothing: %+v", groups)
	}
}

// A group that has done everything has nothing that is old.
func TestLookWhenAllIsDone(t *testing.T) {
	client := redistest.Start(t).Client()
	if err := publisher(t, client).Handle(t.Context(), event("1")); err != nil {
		t.Fatal(err)
	}
	w := worker(t, client)
	d, err := w.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Ack(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	closeNow(t, w)
	if g := look(t, client)[0].Groups[0]; g.Waiting != 0 || g.Pending != 0 || !g.Oldest.IsZero() {
		t.Errorf("%+v", g)
	}
}

func TestLookAtPartitions(t *testing.T) {
	client := redistest.Start(t).Client()
	p := publisher(t, client, redisstream.Partitions(3))
	for _, id := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		if err := p.Handle(t.Context(), event(id)); err != nil {
			t.Fatal(err)
		}
	}
	total := int64(0)
	all := look(t, client, redisstream.Partitions(3))
	for _, b := range all {
		total += b.Length
	}
	if len(all) != 3 || total != 8 || all[0].Stream != "{"+stream+":0}" {
		t.Errorf("%+v", all)
	}
	n := 0
	for r, err := range redisstream.Records(t.Context(), client, stream, redisstream.Partitions(3)) {
		if err != nil || r.Err != nil {
			t.Fatal(err, r.Err)
		}
		n++
	}
	if n != 8 {
		t.Errorf("%d records", n)
	}
}

func TestLookErrors(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "pass")
	client := server.Client(func(o *redis.Options) { o.Password = "pass" })
	if err := client.Set(t.Context(), "text", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := redisstream.Look(t.Context(), client, "text"); !isConfig(err) {
		t.Errorf("of a text: %v", err)
	}
	if _, err := redisstream.Look(t.Context(), client, "", redisstream.Partitions(0)); !isConfig(err) {
		t.Errorf("of nothing: %v", err)
	}
	_, err := redisstream.Look(t.Context(), server.Client(), stream)
	if refused, ok := errors.AsType[*eds.AuthError](err); !ok || refused.Code != 401 {
		t.Errorf("without a password: %v", err)
	}
	server.Kill()
	if _, err := redisstream.Look(t.Context(), client, stream); err == nil || isConfig(err) {
		t.Errorf("of a server that is down: %v", err)
	}
	for _, err := range redisstream.Records(t.Context(), client, stream) {
		if err == nil {
			t.Error("records of a server that is down")
		}
	}
}

// Records are as a worker gets them, more of them than are read at once, and
// what cannot be read stops nothing.
func TestRecords(t *testing.T) {
	client := redistest.Start(t).Client()
	p := publisher(t, client)
	if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: stream, Values: []string{"what", "ever"}}).Err(); err != nil {
		t.Fatal(err)
	}
	const n = 250
	for range n {
		if err := p.Handle(t.Context(), event("same")); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	for r, err := range redisstream.Records(t.Context(), client, stream) {
		if err != nil {
			t.Fatal(err)
		}
		if seen == 0 {
			if r.Err == nil || string(r.Event.Payload) != `{"what":"ever"}` {
				t.Errorf("the first: %+v", r)
			}
		} else if r.Err != nil || r.Event.ID != "same" || r.Event.Queue != "stream:"+stream || r.Stream != stream || r.Appended.IsZero() {
			t.Errorf("%+v", r)
		}
		seen++
		if err := client.XDel(t.Context(), r.Stream, r.Entry).Err(); err != nil {
			t.Fatal(err)
		}
		if err := p.Handle(t.Context(), event("later")); err != nil {
			t.Fatal(err)
		}
	}
	if left := look(t, client)[0].Length; seen != n+1 || left != n+1 {
		t.Errorf("%d records of %d, %d left", seen, n+1, left)
	}
}

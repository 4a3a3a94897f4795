package redisstream_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// model is what some groups of a stream still have to get.
type model struct {
	t       *rapid.T
	client  *redis.Client
	stream  string
	added   []string // ids of entries, in order
	ms, seq int      // of the last
	readers map[string]*reader
}

// reader is a group.
type reader struct {
	todo    []string        // not handed out
	given   int             // of model.added, up to the last handed out
	pending map[string]bool // handed out and not acknowledged
}

func (m *model) add(t *rapid.T) {
	for range rapid.IntRange(1, 8).Draw(t, "entries") {
		m.seq += rapid.IntRange(1, 5).Draw(t, "sequence")
		if step := rapid.IntRange(-20, 10).Draw(t, "ms"); step > 0 {
			m.ms, m.seq = m.ms+step, 0
		}
		id := fmt.Sprintf("%d-%d", m.ms, m.seq)
		m.must(m.client.XAdd(t.Context(), &redis.XAddArgs{Stream: m.stream, ID: id, Values: []string{"id", "x"}}).Err())
		m.added = append(m.added, id)
		for _, r := range m.readers {
			r.todo = append(r.todo, id)
		}
	}
}

func (m *model) create(t *rapid.T) {
	group := rapid.SampledFrom([]string{"g1", "g2", "g3"}).Draw(t, "group")
	if m.readers[group] != nil {
		return
	}
	m.must(m.client.XGroupCreateMkStream(t.Context(), m.stream, group, "0").Err())
	r := &reader{pending: map[string]bool{}}
	// What was deleted before there was a group is nobody's.
	r.todo = m.there()
	m.readers[group] = r
}

func (m *model) pick(t *rapid.T) (string, *reader) {
	if len(m.readers) == 0 {
		return "", nil
	}
	var names []string
	for name := range m.readers {
		names = append(names, name)
	}
	slices.Sort(names)
	name := rapid.SampledFrom(names).Draw(t, "group")
	return name, m.readers[name]
}

func (m *model) read(t *rapid.T) {
	group, r := m.pick(t)
	if r == nil {
		return
	}
	n := rapid.IntRange(1, 12).Draw(t, "count")
	got, err := m.client.XReadGroup(t.Context(), &redis.XReadGroupArgs{
		Group: group, Consumer: rapid.SampledFrom([]string{"a", "b", "released"}).Draw(t, "consumer"),
		Streams: []string{m.stream, ">"}, Count: int64(n), Block: -1,
	}).Result()
	if err == redis.Nil {
		got = []redis.XStream{{}}
	} else {
		m.must(err)
	}
	want := r.todo[:min(n, len(r.todo))]
	if len(got[0].Messages) != len(want) {
		t.Fatalf("group %s was given %d entries, want %d", group, len(got[0].Messages), len(want))
	}
	for i, e := range got[0].Messages {
		if e.ID != want[i] {
			t.Fatalf("group %s was given %s, want %s", group, e.ID, want[i])
		}
		r.pending[e.ID] = true
	}
	r.todo = r.todo[len(want):]
	if len(want) > 0 {
		r.given = slices.Index(m.added, want[len(want)-1]) + 1
	}
}

func (m *model) ack(t *rapid.T) {
	group, r := m.pick(t)
	if r == nil || len(r.pending) == 0 {
		return
	}
	var ids []string
	for id := range r.pending {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	from := rapid.IntRange(0, len(ids)-1).Draw(t, "from")
	if rapid.Bool().Draw(t, "from the first") {
		from = 0
	}
	ids = ids[from:rapid.IntRange(from+1, len(ids)).Draw(t, "to")]
	m.must(m.client.XAck(t.Context(), m.stream, group, ids...).Err())
	for _, id := range ids {
		delete(r.pending, id)
	}
}

func (m *model) trim(t *rapid.T) {
	_, err := redisstream.Trim(t.Context(), m.client, m.stream, rapid.Int64Range(0, 5).Draw(t, "above"))
	m.must(err)
}

// gaps deletes also behind what is pending. When it has been everywhere, all
// that is done is gone, before what the slowest group was given last.
func (m *model) gaps(t *rapid.T) {
	from := "-"
	for {
		var err error
		from, err = redisstream.TrimGaps(t.Context(), m.client, m.stream, 0, from, rapid.IntRange(1, 4).Draw(t, "count"))
		m.must(err)
		if from == "-" {
			break
		}
		if rapid.Bool().Draw(t, "stop") {
			return
		}
		if rapid.Bool().Draw(t, "meanwhile") {
			m.read(t)
			m.ack(t)
			return
		}
	}
	if len(m.readers) == 0 {
		return
	}
	slowest := len(m.added)
	for _, r := range m.readers {
		slowest = min(slowest, r.given)
	}
	there := m.there()
	for _, id := range m.added[:max(0, slowest-1)] {
		needed := false
		for _, r := range m.readers {
			needed = needed || r.pending[id]
		}
		if !needed && slices.Contains(there, id) {
			t.Fatalf("entry %s is done, and was not deleted", id)
		}
	}
}

// there are the ids of what is in the stream.
func (m *model) there() (ids []string) {
	all, err := m.client.XRange(m.t.Context(), m.stream, "-", "+").Result()
	m.must(err)
	for _, e := range all {
		ids = append(ids, e.ID)
	}
	return ids
}

// check makes sure that all that a group has not acknowledged is there.
func (m *model) check(t *rapid.T) {
	all := m.there()
	there := map[string]bool{}
	for _, id := range all {
		there[id] = true
	}
	for name, r := range m.readers {
		for id := range r.pending {
			if !there[id] {
				t.Fatalf("entry %s was deleted, which %s has pending", id, name)
			}
		}
		for _, id := range r.todo {
			if !there[id] {
				t.Fatalf("entry %s was deleted, which %s was not given", id, name)
			}
		}
	}
	if len(m.readers) == 0 && len(all) != len(m.added) {
		t.Fatalf("%d of %d entries left, and no group has seen them", len(all), len(m.added))
	}
}

func (m *model) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// F7: whatever some groups do, nothing that one has not acknowledged is
// deleted.
func TestTrimmingKeepsWhatIsNeeded(t *testing.T) {
	faults.Covers(t, "F7")
	// What is deleted together are blocks of entries, here of one.
	_, client := start(t, "--stream-node-max-entries", "1")
	var n, deleted int64
	rapid.Check(t, func(t *rapid.T) {
		n++
		m := &model{t: t, client: client, stream: fmt.Sprint("s", n), readers: map[string]*reader{}}
		m.add(t)
		t.Repeat(map[string]func(*rapid.T){
			"add": m.add, "create": m.create, "read": m.read, "ack": m.ack, "trim": m.trim, "gaps": m.gaps, "": m.check,
		})
		length, err := client.XLen(t.Context(), m.stream).Result()
		m.must(err)
		deleted += int64(len(m.added)) - length
		m.must(client.Del(t.Context(), m.stream).Err())
	})
	if deleted == 0 {
		t.Error("nothing was ever deleted: the test shows nothing")
	}
	t.Logf("%d runs, %d entries deleted", n, deleted)
}

// A publisher does it by itself, and what is done with goes.
func TestPublisherTrims(t *testing.T) {
	t.Parallel() // it waits most of the time
	server, admin := start(t)
	pub := publisher(t, admin, redisstream.TrimAbove(500), redisstream.TrimEvery(20*time.Millisecond))
	const n = 3000
	count := newCounter(n)
	runWorkers(t, 2, func() *redis.Client { return server.Client() }, count)
	for i := range n {
		publish(t, pub, fmt.Sprint(i))
	}
	count.wait(t)
	await(t, "the stream to be trimmed", func() bool { return admin.XLen(t.Context(), stream).Val() <= 500 })
}

// One event that is not done for long keeps a stream from being trimmed, but
// not for ever; and Redis still knows what is waiting.
func TestTrimmingGoesAroundWhatIsPending(t *testing.T) {
	t.Parallel() // it waits most of the time
	_, admin := start(t)
	if err := admin.XGroupCreateMkStream(t.Context(), stream, group, "0").Err(); err != nil {
		t.Fatal(err)
	}
	const n, waiting = 3000, 500
	pipe := admin.Pipeline()
	for range n + waiting {
		pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: stream, Values: []string{"id", "x"}})
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := admin.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: group, Consumer: "a", Streams: []string{stream, ">"}, Count: n}).Result()
	if err != nil {
		t.Fatal(err)
	}
	var done []string
	for _, m := range got[0].Messages[1:] {
		done = append(done, m.ID)
	}
	if err := admin.XAck(t.Context(), stream, group, done...).Err(); err != nil {
		t.Fatal(err)
	}
	pub := publisher(t, admin, redisstream.TrimAbove(100), redisstream.TrimEvery(10*time.Millisecond))
	publish(t, pub, "1")
	// What is pending, what was given last, and what waits.
	await(t, "the gap to be closed", func() bool { return admin.XLen(t.Context(), stream).Val() <= 1000 })
	if g := look(t, admin)[0].Groups[0]; g.Pending != 1 || g.Waiting != waiting+1 {
		t.Errorf("%d are pending and %d wait, want 1 and %d", g.Pending, g.Waiting, waiting+1)
	}
	if first := admin.XRangeN(t.Context(), stream, "-", "+", 1).Val(); len(first) != 1 || first[0].ID != got[0].Messages[0].ID {
		t.Errorf("the first is %v, want what is pending", first)
	}
}

// A stream that cannot be trimmed is told of once, however the others do.
func TestTrimTroubleIsToldOnce(t *testing.T) {
	t.Parallel() // it waits most of the time
	_, admin := start(t)
	var told bytes.Buffer
	pub := publisher(t, admin, redisstream.Partitions(2), redisstream.OrderBy(sameKey), redisstream.TrimEvery(5*time.Millisecond),
		redisstream.Logger(slog.New(slog.NewTextHandler(&told, nil))))
	publish(t, pub, "1")
	for i := range 2 {
		if name := redisstream.PartitionName(stream, i); admin.Exists(t.Context(), name).Val() == 0 {
			if err := admin.Set(t.Context(), name, "text", 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	await(t, "some rounds", func() bool { return calls(t, admin, "evalsha") > 20 })
	closeNow(t, pub)
	if n := strings.Count(told.String(), "cannot be trimmed"); n != 1 {
		t.Errorf("told %d times:\n%s", n, told.String())
	}
}

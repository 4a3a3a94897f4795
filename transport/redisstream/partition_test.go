package redisstream_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// journal notes in which order the events of each key were handled. An id is
// KEY/NUMBER, numbers from 0.
type journal struct {
	*counter

	mu    sync.Mutex
	last  map[string]int
	wrong []string
}

func newJournal(want int) *journal {
	return &journal{counter: newCounter(want), last: map[string]int{}}
}

func keyOf(e *eds.Event) string { key, _, _ := strings.Cut(e.ID, "/"); return key }

func (j *journal) handle(worker int, e *eds.Event) {
	_, number, _ := strings.Cut(e.ID, "/")
	n, _ := strconv.Atoi(number)
	j.mu.Lock()
	// A repetition, of what was handled before, is no news.
	if next := j.last[keyOf(e)]; n > next {
		j.wrong = append(j.wrong, fmt.Sprintf("worker %d handled %s when %d was due", worker, e.ID, next))
	} else if n == next {
		j.last[keyOf(e)]++
	}
	j.mu.Unlock()
	j.handled(worker, e.ID)
}

func (j *journal) check(tb testing.TB) {
	tb.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, w := range j.wrong {
		if i == 5 {
			tb.Errorf("and %d more", len(j.wrong)-i)
			break
		}
		tb.Error(w)
	}
}

const partitions = 6

// process is an App that can be ended cleanly or killed.
type process struct {
	client redis.UniversalClient
	stop   context.CancelFunc
	done   chan error
}

func (j *journal) start(tb testing.TB, number int, client redis.UniversalClient) *process {
	w := redisstream.New(client, stream, group, soon(redisstream.Partitions(partitions), redisstream.Window(60, 1<<20))...)
	app := eds.New(w, eds.Logger(quiet), eds.Concurrency(3), eds.OrderBy(redisstream.Key), eds.DrainTimeout(5*time.Second))
	app.Handle("SAMPLE", func(_ context.Context, e *eds.Event) error {
		// real time: so that workers overlap
		time.Sleep(500 * time.Microsecond)
		j.handle(number, e)
		return nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{client: client, stop: cancel, done: make(chan error, 1)}
	go func() { p.done <- app.Run(ctx) }()
	return p
}

func (p *process) end(tb testing.TB) {
	tb.Helper()
	p.stop()
	if err := <-p.done; err != nil {
		tb.Errorf("Run: %v", err)
	}
}

// kill cuts the worker off; whatever it does afterwards reaches nobody.
func (p *process) kill() {
	p.client.Close()
	p.stop()
	<-p.done
}

func publishKeys(tb testing.TB, client redis.UniversalClient, keys, each int) {
	tb.Helper()
	pub := publisher(tb, client, redisstream.Partitions(partitions), redisstream.OrderBy(keyOf))
	var wg sync.WaitGroup
	for k := range keys {
		wg.Go(func() {
			for n := range each {
				if err := pub.Handle(tb.Context(), event(fmt.Sprintf("k%d/%d", k, n))); err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func settledAll(tb testing.TB, client redis.UniversalClient) {
	tb.Helper()
	await(tb, "all to be acknowledged", func() bool {
		var n int64
		for i := range partitions {
			n += pending(tb, client, redisstream.PartitionName(stream, i))
		}
		return n == 0
	})
}

// F13: the order of each key holds while workers come and go, and all of them
// get work.
func TestOrderOfKeys(t *testing.T) {
	faults.Covers(t, "F13")
	server, admin := start(t)
	const keys, each = 30, 200
	j := newJournal(keys * each)
	var workers []*process
	for i := range 3 {
		workers = append(workers, j.start(t, i, server.Client()))
	}
	var wg sync.WaitGroup
	wg.Go(func() { publishKeys(t, admin, keys, each) })
	for i := range 3 {
		await(t, "some events", func() bool { return j.events() > keys*each*(i+1)/5 })
		workers[i].end(t)
		workers = append(workers, j.start(t, 3+i, server.Client()))
	}
	wg.Wait()
	j.wait(t)
	settledAll(t, admin)
	for _, w := range workers[3:] {
		w.end(t)
	}
	j.check(t)
	if runs := j.runs(); runs != keys*each {
		t.Errorf("%d runs of %d events", runs, keys*each)
	}
	// Of six, three at a time: who comes when little is left may get none.
	if len(j.shares()) < 4 {
		t.Errorf("shares %v, want some for most of 6 workers", j.shares())
	}
}

// Partitions of a worker that died go to the others, who first do what it
// left behind.
func TestPartitionsOfADeadWorker(t *testing.T) {
	t.Parallel() // it waits most of the time
	server, admin := start(t)
	const keys, each = 30, 100
	j := newJournal(keys * each)
	var workers []*process
	for i := range 3 {
		workers = append(workers, j.start(t, i, server.Client()))
	}
	var wg sync.WaitGroup
	wg.Go(func() { publishKeys(t, admin, keys, each) })
	await(t, "some events", func() bool { return j.events() > keys*each/4 })
	workers[0].kill()
	wg.Wait()
	j.wait(t)
	settledAll(t, admin)
	for _, w := range workers[1:] {
		w.end(t)
	}
	j.check(t)
	t.Logf("%d events, %d runs", keys*each, j.runs())
}

// Each partition has one reader, and the readers have equal shares.
func TestShares(t *testing.T) {
	t.Parallel() // it waits most of the time
	server, _ := start(t)
	var workers []*redisstream.Transport
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer wg.Wait()
	defer cancel()
	for i := range 4 {
		w := worker(t, server.Client(), redisstream.Partitions(partitions))
		workers = append(workers, w)
		wg.Go(func() { _, _ = w.Receive(ctx) })
		await(t, fmt.Sprint(partitions, " partitions to be shared by ", i+1), func() bool {
			readers := map[string]int{}
			for _, w := range workers {
				mine := w.Leases()
				if len(mine) < partitions/(i+1) || len(mine) > (partitions+i)/(i+1) {
					return false
				}
				for _, p := range mine {
					readers[p]++
				}
			}
			return len(readers) == partitions
		})
	}
}

// On a Cluster, no command has keys of two slots.
func TestCluster(t *testing.T) {
	t.Parallel() // it waits most of the time
	server := redistest.Start(t, "--cluster-enabled", "yes")
	node := server.Client()
	if err := node.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	await(t, "the cluster", func() bool {
		return strings.Contains(node.ClusterInfo(t.Context()).Val(), "cluster_state:ok")
	})
	client := func() redis.UniversalClient {
		c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.Addr}})
		t.Cleanup(func() { c.Close() })
		return c
	}
	t.Run("one stream", func(t *testing.T) {
		publish(t, publisher(t, client(), redisstream.TrimAbove(0), redisstream.TrimEvery(10*time.Millisecond)), "1", "2")
		w := worker(t, client())
		if err := w.Nack(t.Context(), expect(t, w, "1")); err != nil {
			t.Fatal(err)
		}
		ack(t, w, expect(t, w, "2"))
		ack(t, w, expect(t, w, "1"))
		await(t, "all to be acknowledged", func() bool { return pending(t, node, stream) == 0 })
	})
	t.Run("partitions", func(t *testing.T) {
		const keys, each = 10, 20
		j := newJournal(keys * each)
		a, b := j.start(t, 0, client()), j.start(t, 1, client())
		publishKeys(t, client(), keys, each)
		j.wait(t)
		settledAll(t, node)
		a.end(t)
		b.end(t)
		j.check(t)
		if n, err := node.Exists(t.Context(), redisstream.Besides(stream, group, "workers")).Result(); n != 0 || err != nil {
			t.Errorf("the roll of workers is left behind: %d, %v", n, err)
		}
	})
}

// sameKey has all events in one partition.
func sameKey(*eds.Event) string { return "k" }

// What failed pauses for as long as it was told, whoever reads its partition
// by then: a rolling update burns no attempts. What was only interrupted goes
// first.
func TestPausesOutliveTheirReader(t *testing.T) {
	t.Parallel() // it waits most of the time
	_, admin := start(t)
	pub := publisher(t, admin, redisstream.Partitions(2), redisstream.OrderBy(sameKey))
	publish(t, pub, "failed", "interrupted")
	opts := soon(redisstream.Partitions(2), redisstream.MinIdle(8*time.Second))
	a := redisstream.New(admin, stream, group, opts...)
	const pause = 4 * time.Second
	fail := a.GiveBack(func(context.Context, *eds.Event) error { return eds.RetryAfter(errors.New("down"), pause) })
	shutdown, cancel := context.WithCancelCause(t.Context())
	cancel(eds.ErrShutdown)
	failed, interrupted := expect(t, a, "failed"), expect(t, a, "interrupted")
	_, _ = fail(t.Context(), &failed.Event), fail(shutdown, &interrupted.Event)
	began := time.Now()
	if err := errors.Join(a.Nack(t.Context(), failed), a.Nack(t.Context(), interrupted)); err != nil {
		t.Fatal(err)
	}
	closeNow(t, a)
	var paused int64
	for _, b := range look(t, admin, redisstream.Partitions(2)) {
		for _, g := range b.Groups {
			paused += g.Released
		}
	}
	if paused != 2 {
		t.Errorf("Look tells of %d events that were given back, want 2", paused)
	}
	publish(t, pub, "new")
	for range 2 { // readers
		b := redisstream.New(admin, stream, group, opts...)
		if d := receiveAny(t, b); d.Event.ID == "interrupted" && d.Event.Attempt == 2 {
			ack(t, b, d)
			ack(t, b, expect(t, b, "new"))
		} else if d.Event.ID != "failed" || d.Event.Attempt != 2 || time.Since(began) < pause {
			t.Errorf("%v after it failed comes %s, attempt %d", time.Since(began), d.Event.ID, d.Event.Attempt)
		}
		closeNow(t, b)
	}
}

// What a reader left of a partition, the next one takes up in its order, and
// no more of it at a time than its window holds.
func TestNextReaderHasAWindow(t *testing.T) {
	t.Parallel() // it waits most of the time
	_, admin := start(t)
	const n = 300
	pub := publisher(t, admin, redisstream.Partitions(2), redisstream.OrderBy(sameKey))
	for i := range n {
		publish(t, pub, fmt.Sprint(i))
	}
	opts := soon(redisstream.Partitions(2), redisstream.MinIdle(time.Minute))
	a := redisstream.New(admin, stream, group, append(opts, redisstream.Window(2*n, 1<<20))...)
	for i := range n {
		if err := a.Nack(t.Context(), expect(t, a, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	closeNow(t, a)
	b := worker(t, admin, append(opts, redisstream.Window(16, 1<<20))...)
	for i := range n {
		d := expect(t, b, fmt.Sprint(i))
		for _, part := range look(t, admin, redisstream.Partitions(2)) {
			for _, g := range part.Groups {
				for _, c := range g.Consumers {
					if c.Name == b.Consumer() && c.Pending > 16 {
						t.Fatalf("it has %d entries, of a window of 16", c.Pending)
					}
				}
			}
		}
		ack(t, b, d)
	}
}

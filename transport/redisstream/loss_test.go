package redisstream_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// impatient is a client that soon sees that a server is gone.
func impatient(o *redis.Options) {
	o.DialTimeout, o.ReadTimeout = time.Second, time.Second
	o.MaxRetries = -1
}

// F10: what a killed Redis has forgotten of what was acknowledged is what
// docs/hand-off.md says of its settings; the rest is worked off, and so is
// what comes afterwards, though the group may be gone (F14).
func TestKilledRedis(t *testing.T) {
	t.Parallel() // it waits most of the time
	faults.Covers(t, "F10", "F14")
	for name, c := range map[string]struct {
		args []string
		// between happens when half of the backlog is there.
		between func(*testing.T, *redis.Client)
		early   loss // of that half
		late    loss // of the other, up to the kill
	}{
		"always": {args: []string{"--appendonly", "yes", "--appendfsync", "always"}, early: nothing, late: nothing},
		// What the process has written a kill does not take away, but it puts
		// the writing off, for at most two seconds, while a sync is under way.
		"everysec": {
			args: []string{"--appendonly", "yes", "--appendfsync", "everysec"},
			// real time: Redis goes by its own clock
			between: func(*testing.T, *redis.Client) { time.Sleep(3 * time.Second) },
			early:   nothing, late: some,
		},
		"snapshots": {
			between: func(t *testing.T, admin *redis.Client) {
				if err := admin.Save(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
			},
			early: nothing, late: everything,
		},
		"nothing": {early: everything, late: everything},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t, c.args...)
			admin := server.Client(impatient)
			pub := publisher(t, server.Client(impatient), redisstream.SendTimeout(200*time.Millisecond))

			done := deliver(t, pub, "done", 20)
			count := newCounter(1 << 30)
			stop := runWorkers(t, 1, func() *redis.Client { return server.Client(impatient) }, count)
			count.handledAll(t, done)
			await(t, "all to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })
			stop()

			early := deliver(t, pub, "early", 300)
			early.wait()
			if c.between != nil {
				c.between(t, admin)
			}
			late := deliver(t, pub, "late", 1_000_000)
			await(t, "the rest of the backlog", func() bool { return late.count() > 300 })
			server.Kill()
			late.end()
			server.Restart()

			there := entries(t, admin)
			c.early.check(t, early, there)
			c.late.check(t, late, there)
			after := deliver(t, pub, "after", 20)
			after.wait() // before there is a worker
			runWorkers(t, 2, func() *redis.Client { return server.Client(impatient) }, count)
			count.handledAll(t, early, late, after)
			await(t, "all to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })
		})
	}
}

// loss is how much may be lost.
type loss int

const (
	nothing loss = iota
	some
	everything
)

// check compares what was acknowledged with what is there, and forgets what is lost.
func (l loss) check(tb testing.TB, s *service, there map[string]int) {
	tb.Helper()
	lost := s.missing(there)
	tb.Logf("%s: %d events were acknowledged to the service; %d of them are lost", s.prefix, s.count(), len(lost))
	switch {
	case l == nothing && len(lost) > 0:
		tb.Errorf("LOST: %d events, such as %s", len(lost), lost[0])
	case l == everything && len(lost) != s.count():
		tb.Errorf("%d events are lost, want all %d: the test does not see losses", len(lost), s.count())
	}
	for _, id := range lost {
		delete(s.acked, id)
	}
}

// A Redis that is frozen for longer than MinIdle loses nothing and robs
// nobody: what is in work meanwhile is done once.
func TestFrozenRedis(t *testing.T) {
	t.Parallel() // it waits most of the time
	server, admin := start(t)
	const minIdle = 3 * time.Second
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	count, thaw, busy := newCounter(1<<30), make(chan struct{}), make(chan string, 100)
	for i := range 3 {
		w := redisstream.New(server.Client(impatient), stream, group, soon(redisstream.MinIdle(minIdle))...)
		app := eds.New(w, eds.Logger(quiet), eds.Concurrency(4))
		app.Handle("SAMPLE", func(_ context.Context, e *eds.Event) error {
			busy <- e.ID
			<-thaw
			count.handled(i, e.ID)
			return nil
		})
		wg.Go(func() {
			if err := app.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	pub := publisher(t, server.Client(impatient), redisstream.SendTimeout(200*time.Millisecond))
	before := deliver(t, pub, "before", 12)
	var working []string
	for range 4 {
		working = append(working, <-busy)
	}
	before.wait()
	server.Pause()
	during := deliver(t, pub, "during", 5)
	// real time: what is frozen is another process
	time.Sleep(minIdle + time.Second)
	server.Resume()
	during.wait()
	during.onlyRedelivered(t)
	// real time: a robber would show once he may take over again
	time.Sleep(minIdle)
	close(thaw)
	wg.Go(func() {
		for {
			select {
			case <-busy:
			case <-ctx.Done():
				return
			}
		}
	})
	count.handledAll(t, before, during)
	await(t, "all to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })
	count.mu.Lock()
	defer count.mu.Unlock()
	for _, id := range working {
		if n := count.byEvent[id]; n != 1 {
			t.Errorf("event %s, in work when Redis froze, was handled %d times", id, n)
		}
	}
}

// replicaOf starts a replica of what is at this address.
func replicaOf(tb testing.TB, addr string, primary *redis.Client) *redistest.Server {
	tb.Helper()
	before := replicas(tb, primary)
	host, port := split(addr)
	replica := redistest.Start(tb, "--replicaof", host+" "+port)
	await(tb, "the replica", func() bool { return replicas(tb, primary) > before })
	return replica
}

// replicas counts those that follow the stream of changes.
func replicas(tb testing.TB, primary *redis.Client) (n int) {
	tb.Helper()
	info, err := primary.Info(context.Background(), "replication").Result()
	if err != nil {
		tb.Fatal(err)
	}
	for i := range 10 {
		if lineWith(info, fmt.Sprint("slave", i, ":"), "state=online") {
			n++
		}
	}
	return n
}

package redisstream_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// Partitions are on the nodes of a Cluster, and while their slots move, in
// use, nothing is lost and the order of each key holds.
func TestSlotsMove(t *testing.T) {
	t.Parallel() // it waits most of the time
	faults.Covers(t, "F13")
	cluster := redistest.StartCluster(t, 3, false)
	nodes := map[int]bool{}
	for i := range partitions {
		nodes[cluster.Owner(redisstream.PartitionName(stream, i))] = true
	}
	if len(nodes) < 2 {
		t.Fatalf("all partitions are on one node: the test shows nothing")
	}
	const keys, each = 20, 100
	j := newJournal(keys * each)
	a, b := j.start(t, 0, cluster.Client()), j.start(t, 1, cluster.Client())
	done := make(chan struct{})
	go func() {
		defer close(done)
		publishKeys(t, cluster.Client(), keys, each)
	}()
	for i := range partitions {
		await(t, "some events", func() bool { return j.events() > keys*each*(i+1)/10 })
		key := redisstream.PartitionName(stream, i)
		from := cluster.Owner(key)
		cluster.Move(key, from, (from+1)%3, func() {
			// real time: so that some are asked elsewhere meanwhile
			time.Sleep(50 * time.Millisecond)
		})
	}
	<-done
	j.wait(t)
	settledAll(t, cluster.Client())
	a.end(t)
	b.end(t)
	j.check(t)
	t.Logf("%d events, %d runs", keys*each, j.runs())
}

// A node of a Cluster dies and its replica takes over, while events flow.
// With Replicas nothing is lost.
func TestClusterFailover(t *testing.T) {
	t.Parallel() // it waits most of the time
	faults.Covers(t, "F10")
	cluster := redistest.StartCluster(t, 3, true)
	client := func() *redis.ClusterClient {
		return cluster.Client(func(o *redis.ClusterOptions) { o.DialTimeout, o.ReadTimeout = time.Second, time.Second })
	}
	count := newCounter(1 << 30)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	for i := range 2 {
		app := eds.New(redisstream.New(client(), stream, group, soon(redisstream.Partitions(partitions))...), eds.Logger(quiet))
		app.Handle("SAMPLE", func(_ context.Context, e *eds.Event) error {
			count.handled(i, e.ID)
			return nil
		})
		go func() { ended <- app.Run(ctx) }()
	}
	pub := publisher(t, client(), redisstream.Partitions(partitions), redisstream.Replicas(1), redisstream.SendTimeout(500*time.Millisecond))
	source := deliver(t, pub, "", 2000)
	await(t, "some events", func() bool { return count.events() > 300 })
	first := cluster.Owner(redisstream.PartitionName(stream, 0))
	cluster.Masters[first].Kill()
	// Its replica has none of its own: what is on it cannot be counted on
	// before the first is back, as a replica.
	await(t, "the publisher to fail", func() bool { return len(source.tries()) > 0 })
	await(t, "the fail-over", func() bool {
		return lineWith(cluster.Replicas[first].Client().Info(t.Context(), "replication").Val(), "role:", "master")
	})
	cluster.Masters[first].Restart()
	count.handledAll(t, source)
	source.onlyRedelivered(t)
	settledAll(t, client())
	cancel()
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d events, %d runs, %d tries failed", source.count(), count.runs(), len(source.tries()))
}

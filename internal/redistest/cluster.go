package redistest

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const slots = 16384

// Cluster is a Redis Cluster of several servers.
type Cluster struct {
	// Masters have the slots shared out evenly, in their order.
	Masters []*Server
	// Replicas has one of each master, where they were asked for.
	Replicas []*Server

	tb testing.TB
}

// StartCluster starts a Cluster of so many masters, each with a replica or
// none, and waits until all of them agree that it is whole.
func StartCluster(tb testing.TB, masters int, replicated bool) *Cluster {
	tb.Helper()
	c := &Cluster{tb: tb}
	for range masters {
		c.Masters = append(c.Masters, startNode(tb))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for i, s := range c.Masters {
		first, last := i*slots/masters, (i+1)*slots/masters-1
		c.must(s.Client().ClusterAddSlotsRange(ctx, first, last).Err())
		c.meet(ctx, s)
	}
	if replicated {
		for range masters {
			s := startNode(tb)
			c.Replicas = append(c.Replicas, s)
			c.meet(ctx, s)
		}
	}
	nodes := len(c.Masters) + len(c.Replicas)
	c.whole(ctx, func(info string) bool { return strings.Contains(info, "cluster_known_nodes:"+strconv.Itoa(nodes)+"\r") })
	for i, s := range c.Replicas {
		c.must(s.Client().ClusterReplicate(ctx, c.id(ctx, c.Masters[i])).Err())
	}
	// A replica counts when its master knows it to be online.
	for i := range c.Replicas {
		admin := c.Masters[i].Client()
		until(ctx, tb, "a replica", func() bool {
			return strings.Contains(admin.Info(ctx, "replication").Val(), "state=online")
		})
	}
	c.whole(ctx, func(info string) bool { return strings.Contains(info, "cluster_state:ok") })
	return c
}

func startNode(tb testing.TB) *Server {
	tb.Helper()
	_, bus, _ := net.SplitHostPort(freeAddr(tb))
	return Start(tb, "--cluster-enabled", "yes", "--cluster-port", bus,
		"--cluster-node-timeout", "1000", "--cluster-migration-barrier", "100")
}

func (c *Cluster) meet(ctx context.Context, s *Server) {
	host, port, _ := net.SplitHostPort(c.Masters[0].Addr)
	bus := ""
	for i, arg := range c.Masters[0].args {
		if arg == "--cluster-port" {
			bus = c.Masters[0].args[i+1]
		}
	}
	if s != c.Masters[0] {
		c.must(s.Client().Do(ctx, "CLUSTER", "MEET", host, port, bus).Err())
	}
}

// whole waits until CLUSTER INFO of every node satisfies ok.
func (c *Cluster) whole(ctx context.Context, ok func(info string) bool) {
	c.tb.Helper()
	for _, s := range slices.Concat(c.Masters, c.Replicas) {
		admin := s.Client()
		until(ctx, c.tb, "the cluster", func() bool { return ok(admin.ClusterInfo(ctx).Val()) })
	}
}

// Client returns a client of the Cluster, closed at the end of the test.
func (c *Cluster) Client(changes ...func(*redis.ClusterOptions)) *redis.ClusterClient {
	o := &redis.ClusterOptions{}
	for _, s := range slices.Concat(c.Masters, c.Replicas) {
		o.Addrs = append(o.Addrs, s.Addr)
	}
	for _, change := range changes {
		change(o)
	}
	client := redis.NewClusterClient(o)
	c.tb.Cleanup(func() { client.Close() })
	return client
}

// Owner is the index of the master that had the slot of key at the start.
func (c *Cluster) Owner(key string) int {
	c.tb.Helper()
	slot := c.slot(key)
	for i := range c.Masters {
		if slot < (i+1)*slots/len(c.Masters) {
			return i
		}
	}
	return -1
}

func (c *Cluster) slot(key string) int {
	c.tb.Helper()
	slot, err := c.Masters[0].Client().ClusterKeySlot(context.Background(), key).Result()
	c.must(err)
	return int(slot)
}

// Move moves the slot of key from one master to another, as redis-cli does.
// between is called with half of its keys moved, which is when clients are
// told ASK.
func (c *Cluster) Move(key string, from, to int, between func()) {
	c.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	slot := c.slot(key)
	source, target := c.Masters[from].Client(), c.Masters[to].Client()
	sourceID, targetID := c.id(ctx, c.Masters[from]), c.id(ctx, c.Masters[to])
	c.must(target.Do(ctx, "CLUSTER", "SETSLOT", slot, "IMPORTING", sourceID).Err())
	c.must(source.Do(ctx, "CLUSTER", "SETSLOT", slot, "MIGRATING", targetID).Err())
	host, port, _ := net.SplitHostPort(c.Masters[to].Addr)
	move := func() {
		keys, err := source.ClusterGetKeysInSlot(ctx, slot, 1000).Result()
		c.must(err)
		for _, k := range keys {
			// A key that expired meanwhile is NOKEY, no error.
			c.must(source.Migrate(ctx, host, port, k, 0, 5*time.Second).Err())
		}
	}
	move()
	between()
	move()
	c.must(target.Do(ctx, "CLUSTER", "SETSLOT", slot, "NODE", targetID).Err())
	c.must(source.Do(ctx, "CLUSTER", "SETSLOT", slot, "NODE", targetID).Err())
}

func (c *Cluster) id(ctx context.Context, s *Server) string {
	c.tb.Helper()
	id, err := s.Client().ClusterMyID(ctx).Result()
	c.must(err)
	return id
}

func (c *Cluster) must(err error) {
	c.tb.Helper()
	if err != nil {
		c.tb.Fatalf("redistest: %v", err)
	}
}

func until(ctx context.Context, tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for !ok() {
		select {
		case <-ctx.Done():
			tb.Fatal(fmt.Errorf("redistest: waited in vain for %s: %w", what, context.Cause(ctx)))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

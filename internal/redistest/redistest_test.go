package redistest_test

import (
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/internal/redistest"
)

// once makes a client that neither retries nor waits.
func once(o *redis.Options) {
	o.MaxRetries = -1
	o.DialTimeout, o.ReadTimeout = time.Second, 100*time.Millisecond
}

func TestServerFaults(t *testing.T) {
	ctx := t.Context()
	s := redistest.Start(t, "--maxmemory", "100mb")
	c := s.Client(once)
	set := func() error { return c.Set(ctx, "k", "v", 0).Err() }
	if err := set(); err != nil {
		t.Fatal(err)
	}
	if got := c.ConfigGet(ctx, "maxmemory").Val()["maxmemory"]; got != "104857600" {
		t.Errorf("maxmemory is %q", got)
	}
	s.Wipe()
	if n := c.DBSize(ctx).Val(); n != 0 {
		t.Errorf("%d keys after a wipe", n)
	}
	s.Pause()
	if set() == nil {
		t.Error("a paused server answers")
	}
	s.Resume()
	if err := set(); err != nil {
		t.Errorf("a resumed server: %v", err)
	}
	s.Kill()
	s.Kill()
	if set() == nil {
		t.Error("a killed server answers")
	}
	s.Restart()
	if n, err := c.DBSize(ctx).Result(); n != 0 || err != nil {
		t.Errorf("%d keys after a restart, %v", n, err)
	}
}

func TestProxyFaults(t *testing.T) {
	ctx := t.Context()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr)
	c := redistest.NewClient(t, p.Addr, once)
	incr := func() error { return c.Incr(ctx, "n").Err() }
	if err := incr(); err != nil {
		t.Fatal(err)
	}
	p.CutReplies(1)
	if incr() == nil || p.Lost() != 1 {
		t.Errorf("the reply came, %d lost", p.Lost())
	}
	if n := s.Client().Get(ctx, "n").Val(); n != "2" {
		t.Errorf("n is %s, want 2: the request must arrive", n)
	}
	if err := incr(); err != nil {
		t.Errorf("after the cut: %v", err)
	}
	p.BlackHole()
	if incr() == nil {
		t.Error("an answer out of a black hole")
	}
	p.Pass()
	p.Down()
	if incr() == nil {
		t.Error("an answer through a proxy that is down")
	}
	p.Pass()
	if err := incr(); err != nil {
		t.Errorf("after all: %v", err)
	}
	p.Latency(time.Second)
	if incr() == nil {
		t.Error("an answer in time in spite of the latency")
	}
}

// A Sentinel promotes a replica, and a Cluster moves a slot: the tests of
// others rest on it.
func TestSentinelPromotes(t *testing.T) {
	t.Parallel() // it waits most of the time
	ctx := t.Context()
	primary := redistest.Start(t)
	host, port, _ := net.SplitHostPort(primary.Addr)
	replica := redistest.Start(t, "--replicaof", host+" "+port)
	sentinel := redistest.StartSentinel(t, primary)
	watch := redis.NewSentinelClient(&redis.Options{Addr: sentinel.Addr})
	defer watch.Close()
	until(t, "the replica", func() bool {
		known, err := watch.Replicas(ctx, sentinel.Name).Result()
		return err == nil && len(known) == 1 && known[0]["master-link-status"] == "ok"
	})
	primary.Kill()
	until(t, "the promotion", func() bool {
		addr, err := watch.GetMasterAddrByName(ctx, sentinel.Name).Result()
		return err == nil && net.JoinHostPort(addr[0], addr[1]) == replica.Addr
	})
	if err := replica.Client(once).Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Errorf("the promoted replica: %v", err)
	}
}

func TestClusterMoves(t *testing.T) {
	t.Parallel() // it waits most of the time
	ctx := t.Context()
	cluster := redistest.StartCluster(t, 3, false)
	client := cluster.Client()
	if err := client.Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	from := cluster.Owner("k")
	to := (from + 1) % 3
	get := func(i int) error { return cluster.Masters[i].Client(once).Get(ctx, "k").Err() }
	if err := get(from); err != nil {
		t.Fatalf("its owner: %v", err)
	}
	cluster.Move("k", from, to, func() {
		if err := get(from); !redis.HasErrorPrefix(err, "ASK") {
			t.Errorf("in between: %v, want ASK", err)
		}
	})
	if err := get(from); !redis.HasErrorPrefix(err, "MOVED") {
		t.Errorf("afterwards: %v, want MOVED", err)
	}
	if err := get(to); err != nil {
		t.Errorf("its new owner: %v", err)
	}
	if v, err := client.Get(ctx, "k").Result(); v != "v" || err != nil {
		t.Errorf("the client: %q, %v", v, err)
	}
}

func until(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	// real time: what a server does in its own process tells nobody
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("waited in vain for %s", what)
		}
	}
}

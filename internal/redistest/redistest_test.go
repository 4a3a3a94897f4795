package redistest_test

import (
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

package redislease_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/lease"
	"github.com/eventdelivery/eds-go/transport/lease/leasetest"
	"github.com/eventdelivery/eds-go/transport/lease/redislease"
)

var spaces atomic.Int64

// store makes holders that a slow machine does not fail, each with a client of
// its own where clients are more than one.
type store struct {
	tb      testing.TB
	clients []redis.UniversalClient
	prefix  string
	made    atomic.Int64
}

func (s *store) Holder(name, self string) lease.Lease {
	client := s.clients[int(s.made.Add(1))%len(s.clients)]
	return open(s.tb, client, name, redislease.Self(self), redislease.Prefix(s.prefix), redislease.Budget(10*time.Second))
}

func open(tb testing.TB, client redis.UniversalClient, name string, opts ...redislease.Option) *redislease.Lease {
	tb.Helper()
	l, err := redislease.New(client, name, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

func newStore(tb testing.TB, clients ...redis.UniversalClient) *store {
	return &store{tb: tb, clients: clients, prefix: fmt.Sprintf("%d:", spaces.Add(1))}
}

var breakable = leasetest.Features{Break: func(_ testing.TB, s leasetest.Store) {
	for _, c := range s.(*store).clients {
		c.Close()
	}
}}

func TestConformance(t *testing.T) {
	server := redistest.Start(t)
	leasetest.Run(t, func(tb testing.TB) leasetest.Store { return newStore(tb, server.Client(), server.Client()) }, breakable)
}

func TestConformanceOnACluster(t *testing.T) {
	cluster := redistest.StartCluster(t, 3, false)
	leasetest.Run(t, func(tb testing.TB) leasetest.Store {
		c := cluster.Client()
		tb.Cleanup(func() { c.Close() })
		return newStore(tb, c)
	}, breakable)
}

// once makes a client that neither retries nor waits long by itself.
func once(o *redis.Options) { o.MaxRetries, o.DialTimeout = -1, time.Second }

// A store that hangs costs no more than the budget, also with a client that
// does not heed contexts, and all is well once it goes on.
func TestAStoreThatHangs(t *testing.T) {
	faults.Covers(t, "F2")
	server := redistest.Start(t)
	client := server.Client(once)
	l := open(t, client, "queue", redislease.Budget(50*time.Millisecond))
	server.Pause()
	if c, err := l.Take(t.Context(), time.Second); !errors.Is(err, context.DeadlineExceeded) || c.Held {
		t.Errorf("a take: %+v, %v", c, err)
	}
	if err := l.Release(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a release: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	mine := errors.New("the caller's reason")
	cancel(mine)
	if _, err := l.Take(ctx, lease.Term); !errors.Is(err, mine) {
		t.Errorf("a take that the caller gave up: %v", err)
	}
	server.Resume()
	other := open(t, server.Client(), "queue", redislease.Budget(10*time.Second))
	for {
		c, err := other.Take(t.Context(), lease.Term)
		if err != nil || c.Left > time.Second {
			t.Fatalf("afterwards: %+v, %v", c, err)
		}
		if c.Held {
			break
		}
		time.Sleep(c.Left) // real time: the take that hung was done in the end, and has a term
	}
}

// The lease is free after a restart that kept nothing, and the one that had it
// does not have it any more (F15).
func TestAStoreThatForgets(t *testing.T) {
	faults.Covers(t, "F15")
	server := redistest.Start(t)
	a := open(t, server.Client(), "queue", redislease.Self("a"), redislease.Budget(10*time.Second))
	b := open(t, server.Client(), "queue", redislease.Self("b"), redislease.Budget(10*time.Second))
	take := func(l lease.Lease, want lease.Claim) {
		t.Helper()
		c, err := l.Take(t.Context(), time.Minute)
		c.Left = 0
		if err != nil || c != want {
			t.Fatalf("%+v, %v, want %+v", c, err, want)
		}
	}
	held := lease.Claim{Held: true}
	take(a, held)
	take(b, lease.Claim{Holder: "a"})
	server.Restart() // which forgets the script as well
	take(b, held)
	take(a, lease.Claim{Holder: "b"})
	if err := a.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	take(a, lease.Claim{Holder: "b"})
}

// An operator sees with redis-cli who has it, and for how long.
func TestTheKeyCanBeRead(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client()
	l := open(t, client, "orders", redislease.Budget(10*time.Second))
	if c, err := l.Take(t.Context(), time.Minute); !c.Held || err != nil {
		t.Fatal(c, err)
	}
	value := client.Get(t.Context(), "eds:lease:orders").Val()
	if token, self, _ := strings.Cut(value, " "); len(token) < 26 || !strings.Contains(self, "/") {
		t.Errorf("the value is %q, want a token and HOST/PID", value)
	}
	if ttl := client.PTTL(t.Context(), "eds:lease:orders").Val(); ttl <= 0 || ttl > time.Minute {
		t.Errorf("it lasts for %v", ttl)
	}
	// What is not ours is another's, however it looks.
	for _, foreign := range []string{"", "x", " ", "token self more"} {
		client.Set(t.Context(), "eds:lease:orders", foreign, 0)
		if c, err := l.Take(t.Context(), time.Minute); c.Held || c.Left != 0 || err != nil {
			t.Errorf("with %q there: %+v, %v", foreign, c, err)
		}
	}
	client.Del(t.Context(), "eds:lease:orders")
	client.LPush(t.Context(), "eds:lease:orders", "x")
	if c, err := l.Take(t.Context(), time.Minute); c.Held || err == nil || !strings.Contains(err.Error(), `"eds:lease:orders"`) {
		t.Errorf("with a list there: %+v, %v", c, err)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	client := redis.NewClient(&redis.Options{})
	defer client.Close()
	for what, err := range map[string]error{
		"no client":    second(redislease.New(nil, "queue")),
		"no name":      second(redislease.New(client, "")),
		"no budget":    second(redislease.New(client, "queue", redislease.Budget(0))),
		"a long self":  second(redislease.New(client, "queue", redislease.Self(strings.Repeat("x", 101)))),
		"a wrong self": second(redislease.New(client, "queue", redislease.Self("a\nb"))),
	} {
		if _, ok := errors.AsType[*eds.ConfigError](err); !ok {
			t.Errorf("%s: %v, want an *eds.ConfigError", what, err)
		}
	}
	if err := second(redislease.New(client, "queue", nil, redislease.Self("a"))); err != nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }

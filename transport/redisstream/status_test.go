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

// A Publisher knows whether Redis takes events: by what it appends, and by
// asking when it has nothing to append.
func TestPublisherStatus(t *testing.T) {
	server, admin := start(t)
	proxy := redistest.NewProxy(t, server.Addr)
	pub := publisher(t, redistest.NewClient(t, proxy.Addr), redisstream.SendTimeout(500*time.Millisecond))
	is := func(when string, want eds.State) {
		t.Helper()
		if got := pub.Status(); got.State != want || got.Err == nil && want != eds.Connected && when != "at first" {
			t.Errorf("%s it is %v, %v; want %v", when, got.State, got.Err, want)
		}
	}
	set := func(name, value string) {
		t.Helper()
		if err := admin.ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	is("at first", eds.Connecting)
	if err := pub.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	is("when asked", eds.Connected)
	proxy.Down()
	if err := pub.Ping(t.Context()); err == nil {
		t.Error("nobody is there, and answers")
	}
	is("when nobody is there", eds.Connecting)
	proxy.Pass()
	publish(t, pub, "1")
	is("when an event was taken", eds.Connected)

	// A server that is full answers questions.
	set("maxmemory", "1")
	if err := pub.Handle(t.Context(), event("2")); eds.OutcomeOf(err) != eds.Redelivered {
		t.Errorf("a full server: %v", err)
	}
	if err := pub.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	is("when it is full", eds.Connecting)
	set("maxmemory", "0")
	publish(t, pub, "2")
	is("when there is room", eds.Connected)
}

// What cannot be mended by trying again is said to be so.
func TestPingTellsMistakes(t *testing.T) {
	server, _ := start(t)
	cluster := redistest.StartCluster(t, 2, false)
	other := cluster.Masters[1-cluster.Owner(stream)]
	for name, client := range map[string]*redis.Client{
		"no such database":            server.Client(func(o *redis.Options) { o.DB = 99 }),
		"one server of a Cluster":     other.Client(),
		"a password nobody asked for": server.Client(func(o *redis.Options) { o.Username, o.Password = "nobody", "x" }),
	} {
		pub := publisher(t, client)
		err := pub.Ping(t.Context())
		_, auth := errors.AsType[*eds.AuthError](err)
		_, config := errors.AsType[*eds.ConfigError](err)
		if !auth && !config || pub.Status().State != eds.Refused {
			t.Errorf("%s: %v, and it is %v", name, err, pub.Status().State)
		}
	}
}

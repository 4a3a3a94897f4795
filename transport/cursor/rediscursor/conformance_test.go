package rediscursor_test

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/cursor"
	"github.com/eventdelivery/eds-go/transport/cursor/cursortest"
	"github.com/eventdelivery/eds-go/transport/cursor/rediscursor"
)

// open makes a store that a slow machine does not fail.
func open(tb testing.TB, client redis.UniversalClient, opts ...rediscursor.Option) *rediscursor.Store {
	tb.Helper()
	s, err := rediscursor.New(client, append([]rediscursor.Option{rediscursor.Budget(30 * time.Second)}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// onDisk has a server keep each write over SIGKILL.
var onDisk = []string{"--appendonly", "yes", "--appendfsync", "always"}

var spaces atomic.Int64

func TestConformance(t *testing.T) {
	server := redistest.Start(t, onDisk...)
	var client *redis.Client // of the last store
	var prefix rediscursor.Option
	cursortest.Run(t, func(tb testing.TB) cursor.Store {
		client = server.Client()
		prefix = rediscursor.Prefix(fmt.Sprintf("%d:", spaces.Add(1)))
		return open(tb, client, prefix)
	}, cursortest.Features{
		// The server is killed, and started again with what is on its disk.
		Reopen: func(tb testing.TB, _ cursor.Store) cursor.Store {
			server.Restart()
			return open(tb, server.Client(), prefix)
		},
		Break: func(testing.TB, cursor.Store) { client.Close() },
	})
}

func TestConformanceOnACluster(t *testing.T) {
	bus, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(bus.Addr().String())
	bus.Close()
	server := redistest.Start(t, "--cluster-enabled", "yes", "--cluster-port", port)
	if err := server.Client().ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	await(t, "the cluster to be whole", func() bool {
		return strings.Contains(server.Client().ClusterInfo(t.Context()).Val(), "cluster_state:ok")
	})
	var client *redis.ClusterClient // of the last store
	cursortest.Run(t, func(tb testing.TB) cursor.Store {
		client = redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.Addr}})
		tb.Cleanup(func() { client.Close() })
		return open(tb, client, rediscursor.Prefix(fmt.Sprintf("%d:", spaces.Add(1))))
	}, cursortest.Features{
		Break: func(testing.TB, cursor.Store) { client.Close() },
	})
}

func await(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	// real time: what a server does in its own process tells nobody
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("waited in vain for %s", what)
		}
	}
}

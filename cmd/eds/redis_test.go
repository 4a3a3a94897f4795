package main

import (
	"testing"

	"github.com/eventdelivery/eds-go/internal/redistest"
)

// Every flag that names a Redis takes one behind Sentinels, or a Cluster. place
// makes a URL of what stands after the host.
func overRedis(t *testing.T, place func(path string) string, more ...string) {
	t.Helper()
	srv := service(t)
	e := endpointFor(t)
	db := "/0"
	worker := start(t, append([]string{"work", "--from", place("/work"), "--group", "crm", "--forward-to", e.URL + "/events",
		"--dead-letter", place("/dead")}, more...))
	relay := start(t, append([]string{"relay", "--url", srv.URL(), "--queue", "orders", "--api-key", canary,
		"--to", place("/work"), "--dedupe", place(db), "--lease", place(db)}, more...))
	all := publishMany(t, srv, 50)
	acked(t, srv, all...)
	e.until(t, "all events", func() bool { return len(e.tries) == len(all) })
	relay.stops()
	worker.stops()
	for _, id := range all {
		if n := e.tried(id); n != 1 {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
}

func TestRelayAndWorkBehindASentinel(t *testing.T) {
	primary := redistest.Start(t)
	sentinel := redistest.StartSentinel(t, primary)
	overRedis(t, func(path string) string {
		return "redis://" + sentinel.Addr + path + "?master_name=" + sentinel.Name
	})
	if n, err := primary.Client().XLen(t.Context(), "work").Result(); err != nil || n != 50 {
		t.Errorf("the primary has %d entries, %v", n, err)
	}
}

func TestRelayAndWorkOnACluster(t *testing.T) {
	cluster := redistest.StartCluster(t, 3, false)
	overRedis(t, func(path string) string {
		if path == "/0" {
			path = ""
		}
		return "redis://" + cluster.Masters[0].Addr + path + "?addr=" + cluster.Masters[1].Addr
	}, "--partitions", "8")
	for i, m := range cluster.Masters {
		keys, err := m.Client().Keys(t.Context(), "{work*").Result()
		if err != nil || len(keys) == 0 {
			t.Errorf("master %d has %d keys of the stream, %v", i, len(keys), err)
		}
	}
}

// The URL of one server of a Cluster is a mistake that no try mends.
func TestOneServerOfACluster(t *testing.T) {
	cluster := redistest.StartCluster(t, 2, false)
	other := cluster.Masters[1-cluster.Owner("work")]
	worker := start(t, []string{"work", "--from", "redis://" + other.Addr + "/work", "--group", "crm", "--exec", "cat"})
	worker.exits(1)
	worker.untilLogs("addr=", 1)
	relay := start(t, relaying(service(t), other.Addr))
	relay.exits(1)
	relay.untilLogs("addr=", 1)
}

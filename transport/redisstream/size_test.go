package redisstream_test

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/dedupe/redisstore"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// Sizes that docs/redis.md has, of Redis 7.0, and how far a server may be off.
// Run it with -v, and it prints its own.
func TestSizes(t *testing.T) {
	_, admin := start(t)
	used := func() int64 {
		text, err := admin.Info(t.Context(), "memory").Result()
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.ParseInt(redisstream.InfoField(text, "used_memory"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const n = 10_000
	tell := func(what string, bytes, want int64) {
		t.Helper()
		t.Logf("%s: %d bytes", what, bytes)
		if bytes < want*3/4 || bytes > want*5/4 {
			t.Errorf("%s takes %d bytes, and docs/redis.md says %d", what, bytes, want)
		}
	}
	fill := func(size int) {
		pub := publisher(t, admin, redisstream.TrimAbove(-1))
		var wg sync.WaitGroup
		for lane := range 64 {
			wg.Go(func() {
				for i := lane; i < n; i += 64 {
					e := event(fmt.Sprintf("0f8fad5b-d9cb-469f-a165-%012d", i))
					e.Payload = fmt.Appendf(nil, `{"n":"%s"}`, bytes.Repeat([]byte("x"), size-8))
					e.Attributes = map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
					if err := pub.Handle(t.Context(), e); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	for size, want := range map[int]int64{400: 630, 4096: 5400} {
		if err := admin.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		fill(size)
		all, err := admin.MemoryUsage(t.Context(), stream, 0).Result()
		if err != nil {
			t.Fatal(err)
		}
		tell(fmt.Sprintf("an entry with a payload of %d bytes", size), all/n, want)
	}
	// What was handed out and not acknowledged.
	if err := admin.XGroupCreate(t.Context(), stream, group, "0").Err(); err != nil {
		t.Fatal(err)
	}
	before := used()
	if err := admin.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: group, Consumer: "c", Streams: []string{stream, ">"}, Count: n}).Err(); err != nil {
		t.Fatal(err)
	}
	tell("a pending entry, besides", (used()-before)/n, 96)

	// A record of the dedupe store.
	if err := admin.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	store, err := redisstore.New(admin, redisstore.Logger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	before = used()
	for i := range n {
		key := dedupe.Key("", "eds://eds.example/orders", "stream:orders", fmt.Sprintf("0f8fad5b-d9cb-469f-a165-%012d", i))
		if _, err := store.Commit(t.Context(), dedupe.Hold{Key: key, Token: dedupe.NewToken()}, dedupe.Succeeded); err != nil {
			t.Fatal(err)
		}
	}
	tell("a record of the dedupe store", (used()-before)/n, 245)
}

// The connections that docs/redis.md has: of a publisher a handful, of a
// worker three for each partition that it reads, and one more.
func TestConnections(t *testing.T) {
	for _, partitions := range []int{1, 6} {
		t.Run(fmt.Sprint(partitions, " streams"), func(t *testing.T) {
			server, admin := start(t)
			clients := map[string]*redis.Client{}
			named := func(name string) *redis.Client {
				clients[name] = server.Client(func(o *redis.Options) { o.ClientName, o.PoolSize = name, 100 })
				return clients[name]
			}
			count := newCounter(1 << 30)
			stop := runWorkers(t, 1, func() *redis.Client { return named("worker") }, count, redisstream.Partitions(partitions))
			pub := publisher(t, named("publisher"), redisstream.Partitions(partitions), redisstream.TrimEvery(10*time.Millisecond))
			var wg sync.WaitGroup
			for lane := range 400 {
				wg.Go(func() {
					for i := range 10 {
						if err := pub.Handle(t.Context(), event(fmt.Sprint(lane, "/", i))); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			await(t, "all to be handled", func() bool { return count.events() == 4000 })
			stop()
			list, err := admin.ClientList(t.Context()).Result()
			if err != nil {
				t.Fatal(err)
			}
			for name, most := range map[string]int{"publisher": 6, "worker": 3*partitions + 1} {
				n := strings.Count(list, " name="+name+" ")
				t.Logf("%s: %d connections", name, n)
				if n == 0 || n > most {
					t.Errorf("the %s has %d connections, want at most %d", name, n, most)
				}
			}
		})
	}
}

package redisstream_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

func split(addr string) (host, port string) {
	host, port, _ = net.SplitHostPort(addr)
	return host, port
}

func lineWith(text, prefix, part string) bool {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) && strings.Contains(line, part) {
			return true
		}
	}
	return false
}

// F10: a replica that takes over has what was replicated, and no more. With
// Replicas nothing else is acknowledged. Publisher and workers keep their
// address, as with a name that moves, and find back by themselves.
func TestPromotion(t *testing.T) {
	t.Parallel() // it waits most of the time
	faults.Covers(t, "F10")
	for name, c := range map[string]struct {
		cutOff bool // the replica, before the primary dies
		opts   []redisstream.PublisherOption
		late   loss
	}{
		"after replication":                 {},
		"before replication":                {cutOff: true, late: everything},
		"before replication, with Replicas": {cutOff: true, late: nothing, opts: []redisstream.PublisherOption{redisstream.Replicas(1)}},
	} {
		t.Run(name, func(t *testing.T) {
			primary, admin := start(t)
			link := redistest.NewProxy(t, primary.Addr) // by which the replica follows
			replica := replicaOf(t, link.Addr, admin)
			front := redistest.NewProxy(t, primary.Addr)
			client := func() *redis.Client { return redistest.NewClient(t, front.Addr, impatient) }

			pub := publisher(t, client(), append(c.opts, redisstream.SendTimeout(500*time.Millisecond))...)
			count := newCounter(1 << 30)
			done := deliver(t, pub, "done", 50)
			stop := runWorkers(t, 2, client, count)
			count.handledAll(t, done)
			await(t, "all to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })
			stop()
			replicated := deliver(t, pub, "replicated", 50)
			replicated.wait()
			await(t, "the replica to have it", func() bool {
				n, err := admin.Wait(t.Context(), 1, time.Second).Result()
				return err == nil && n == 1
			})
			if c.cutOff {
				link.BlackHole()
			}
			late := deliver(t, pub, "late", 50)
			if c.late == everything {
				late.wait()
			} else if c.cutOff {
				await(t, "the publisher to fail", func() bool { return len(late.tries()) > 8 })
				late.onlyRedelivered(t)
			} else {
				late.wait()
				await(t, "the replica to have it", func() bool {
					n, err := admin.Wait(t.Context(), 1, time.Second).Result()
					return err == nil && n == 1
				})
			}
			late.end()
			primary.Kill()
			link.Down()
			front.Redirect(replica.Addr)

			follower := replica.Client()
			there := entries(t, follower)
			nothing.check(t, replicated, there)
			c.late.check(t, late, there)
			// The address leads to it before it is promoted: READONLY.
			again := newCounter(1 << 30)
			runWorkers(t, 2, client, again)
			after := deliver(t, publisher(t, client(), redisstream.SendTimeout(200*time.Millisecond)), "after", 20)
			await(t, "the publisher to fail", func() bool { return len(after.tries()) > 8 })
			after.onlyRedelivered(t)
			if err := follower.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(); err != nil {
				t.Fatal(err)
			}
			after.wait()
			again.handledAll(t, replicated, late, after)
			await(t, "all to be acknowledged", func() bool { return pending(t, follower, stream) == 0 })
			for _, id := range []string{"done0", "done49"} {
				if n := again.times(id); n != 0 {
					t.Errorf("event %s, acknowledged before the fail-over, was handled again", id)
				}
			}
		})
	}
}

// A real Sentinel promotes one of two replicas while events flow; publisher
// and workers are told where the primary is by it alone. With Replicas
// nothing is lost: the replica that is furthest takes over.
func TestSentinel(t *testing.T) {
	t.Parallel() // it waits most of the time
	faults.Covers(t, "F10")
	primary, admin := start(t)
	replicaOf(t, primary.Addr, admin)
	replicaOf(t, primary.Addr, admin)
	sentinel := redistest.StartSentinel(t, primary)
	watch := redis.NewSentinelClient(&redis.Options{Addr: sentinel.Addr})
	t.Cleanup(func() { watch.Close() })
	await(t, "Sentinel to know the replicas", func() bool {
		known, err := watch.Replicas(t.Context(), sentinel.Name).Result()
		return err == nil && len(known) == 2 && known[0]["master-link-status"] == "ok" && known[1]["master-link-status"] == "ok"
	})
	client := func() *redis.Client {
		c := redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: sentinel.Name, SentinelAddrs: []string{sentinel.Addr},
			DialTimeout: time.Second, ReadTimeout: time.Second,
		})
		t.Cleanup(func() { c.Close() })
		return c
	}
	count := newCounter(1 << 30)
	runWorkers(t, 2, client, count)
	pub := publisher(t, client(), redisstream.Replicas(1), redisstream.SendTimeout(500*time.Millisecond))
	source := deliver(t, pub, "", 3000)
	await(t, "some events", func() bool { return count.events() > 300 })
	primary.Kill()
	source.wait()
	source.onlyRedelivered(t)
	count.handledAll(t, source)
	promoted := client()
	await(t, "all to be acknowledged", func() bool { return pending(t, promoted, stream) == 0 })
	if addr := watch.GetMasterAddrByName(t.Context(), sentinel.Name).Val(); net.JoinHostPort(addr[0], addr[1]) == primary.Addr {
		t.Error("nothing was promoted")
	}
	t.Logf("%d events, %d runs, %d tries failed", source.count(), count.runs(), len(source.tries()))
}

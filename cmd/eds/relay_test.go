package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/eds/probe"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// relaying are the arguments with which relay takes the queue of srv into the
// stream "work" of the Redis at addr.
func relaying(srv *edstest.Server, addr string, more ...string) []string {
	return append([]string{"relay", "--url", srv.URL(), "--queue", "orders", "--api-key", canary, "--reconnect-max", "50ms",
		"--to", "redis://" + addr + "/work"}, more...)
}

// working are the arguments of a worker of the group "crm" for the endpoint.
func working(addr string, to *httptest.Server, more ...string) []string {
	return append([]string{"work", "--from", "redis://" + addr + "/work", "--group", "crm", "--forward-to", to.URL + "/events"}, more...)
}

// waiting is what the group "crm" has still to do.
func waiting(t *testing.T, redis *redistest.Server) (events int64) {
	t.Helper()
	for _, g := range must[[]redisstream.Backlog](t)(redisstream.Look(t.Context(), redis.Client(), "work"))[0].Groups {
		events += g.Waiting + g.Pending
	}
	return events
}

// What comes to the queue is at the endpoint in the end, once, and two workers
// share it. Both ends stop in good order, and nothing is left.
func TestRelayAndWork(t *testing.T) {
	redis := redistest.Start(t)
	srv := service(t)
	e := endpointFor(t)
	workers := []*command{start(t, working(redis.Addr, e.Server)), start(t, working(redis.Addr, e.Server))}
	relay := start(t, relaying(srv, redis.Addr))
	relay.untilLogs("setting=appendonly", 1) // this Redis keeps nothing on disk
	all := publishMany(t, srv, 100)
	acked(t, srv, all...)
	e.until(t, "all events", func() bool { return len(e.tries) == len(all) })
	relay.stops()
	closedCleanly(t, srv)
	for _, w := range workers {
		w.stops()
	}
	for _, id := range all {
		if n := e.tried(id); n != 1 {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
	if n := waiting(t, redis); n != 0 {
		t.Errorf("%d events are left", n)
	}
	if e.heads[0].Get("Ce-Originqueue") != "orders" {
		t.Errorf("%v", e.heads[0])
	}
}

// Several queues go into one stream, each over a connection of its own.
func TestRelaySeveralQueues(t *testing.T) {
	redis := redistest.Start(t)
	srv := service(t, edstest.Queues("refunds"))
	e := endpointFor(t)
	orders := publish(t, srv, "ORDER", `{}`)
	refund := must[string](t)(srv.Publish("refunds", edstest.Event{Type: "REFUND", Payload: []byte(`{}`)}))
	relay := start(t, relaying(srv, redis.Addr, "--queue", "refunds", "--health-addr", "127.0.0.1:0"))
	acked(t, srv, orders, refund)
	ready := relay.answers(relay.health()+"/readyz", "both", func(status int, _ string) bool { return status == http.StatusOK })
	if !strings.Contains(ready, `"orders"`) || !strings.Contains(ready, `"refunds"`) {
		t.Errorf("%s", ready)
	}
	worker := start(t, working(redis.Addr, e.Server))
	e.until(t, "both events", func() bool { return len(e.tries) == 2 })
	relay.stops()
	worker.stops()
	var queues []string
	for _, head := range e.heads {
		queues = append(queues, head.Get("Ce-Originqueue"))
	}
	if slices.Sort(queues); !slices.Equal(queues, []string{"orders", "refunds"}) {
		t.Errorf("the queues are %v", queues)
	}
}

// What cannot be read as an event is not in the stream but among the dead
// letters, and what Redis does not take is not.
func TestRelayDeadLetters(t *testing.T) {
	redis := redistest.Start(t)
	srv := service(t)
	file := t.TempDir() + "/dead.jsonl"
	poison, good := publishFrame(t, srv, frame(`"eventType":"T"`)), publish(t, srv, "ORDER", `{}`)
	c := start(t, relaying(srv, redis.Addr, "--dead-letter", file))
	acked(t, srv, poison, good)
	redis.Kill()
	left := publish(t, srv, "ORDER", `{}`)
	c.untilLogs("event redeliver", 1)
	c.stops()
	if got := srv.Queue("orders").Unacked(); !slices.Equal(got, []string{left}) {
		t.Errorf("unacknowledged are %v", got)
	}
	if _, out, _ := invoke(t, "deadletters", "list", file); strings.Count(out, "\n") != 2 || !strings.Contains(out, "malformed") {
		t.Errorf("dead letters:\n%s", out)
	}
}

// One queue that is refused ends all: a process with a part that never will
// work must not look as if it did.
func TestRelayRefusedQueue(t *testing.T) {
	redis := redistest.Start(t)
	srv := service(t, edstest.Queues("refunds"))
	srv.OnDial(edstest.Refuse(http.StatusForbidden), edstest.ForQueue("refunds"), edstest.Always())
	c := start(t, relaying(srv, redis.Addr, "--queue", "refunds"))
	c.exits(3)
	if !strings.Contains(c.logged(), "refunds: ") {
		t.Errorf("stderr: %s", c.logged())
	}
}

// A Redis that is not there when relay starts, or goes for a while, costs no
// event: what it does not take is not acknowledged.
func TestRelayWithoutRedis(t *testing.T) {
	redis := redistest.Start(t)
	proxy := redistest.NewProxy(t, redis.Addr)
	proxy.Down()
	srv := service(t)
	e := endpointFor(t)
	all := publishMany(t, srv, 10)
	relay := start(t, relaying(srv, proxy.Addr))
	worker := start(t, working(proxy.Addr, e.Server, "--dedupe", "off"))
	relay.untilLogs("out of reach", 1)
	if got := srv.Queue("orders").Unacked(); len(got) != len(all) {
		t.Fatalf("%d of %d are unacknowledged", len(got), len(all))
	}
	proxy.Pass()
	ackedInTheEnd(t, srv, all...)
	e.until(t, "all events", func() bool { return len(e.tries) == len(all) })

	before := strings.Count(relay.logged(), "event redeliver")
	proxy.Down()
	late := publishMany(t, srv, 10)
	relay.untilLogs("event redeliver", before+1)
	proxy.Pass()
	ackedInTheEnd(t, srv, late...)
	e.until(t, "the rest", func() bool { return len(e.tries) == len(all)+len(late) })
	relay.stops()
	worker.stops()
}

// A relay is ready when its queue is connected and Redis takes events, and not
// before: where it is given a wrong address, no update must go on.
func TestRelayIsReadyWhenRedisTakesEvents(t *testing.T) {
	redis := redistest.Start(t)
	proxy := redistest.NewProxy(t, redis.Addr)
	proxy.Down()
	srv := service(t)
	relay := start(t, relaying(srv, proxy.Addr, "--health-addr", "127.0.0.1:0"))
	url := relay.health()
	stream := func(ready int, state string) func(int, string) bool {
		return func(status int, body string) bool {
			var r probe.Report
			return status == ready && json.Unmarshal([]byte(body), &r) == nil &&
				r.Apps["orders"].State == "connected" && r.Apps["to redis://"+proxy.Addr+"/work"].State == state
		}
	}
	relay.untilLogs("out of reach", 1)
	relay.answers(url+"/readyz", "no Redis", stream(503, "connecting"))
	relay.answers(url+"/livez", "life", stream(200, "connecting"))
	proxy.Pass()
	relay.answers(url+"/readyz", "Redis", stream(200, "connected"))

	// A Redis that is full answers questions, and takes no events.
	full := func(bytes string) {
		if err := redis.Client().ConfigSet(t.Context(), "maxmemory", bytes).Err(); err != nil {
			t.Fatal(err)
		}
	}
	full("1")
	id := publish(t, srv, "T", `{}`)
	relay.answers(url+"/readyz", "a full Redis", stream(503, "connecting"))
	full("0")
	ackedInTheEnd(t, srv, id)
	relay.answers(url+"/readyz", "room", stream(200, "connected"))
	relay.stops()
}

// ackedInTheEnd waits until the events are acknowledged. What was given back
// comes again when its time-out is over, and one time-out is not enough: an event
// may be given back right after it.
func ackedInTheEnd(t *testing.T, srv *edstest.Server, ids ...string) {
	t.Helper()
	ctx := watchdog(t)
	for {
		srv.Queue("orders").Expire()
		turn, cancel := context.WithTimeout(ctx, 500*time.Millisecond) // real time: a shorter time-out than that of the service
		err := srv.WaitAcked(turn, ids...)
		cancel()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// A Redis that refuses the password ends both ends with the code for that, and
// shows nobody the password.
func TestRelayAndWorkRefused(t *testing.T) {
	redis := redistest.Start(t, "--requirepass", "another")
	srv := service(t)
	e := endpointFor(t)
	at := "user:" + canary + "@" + redis.Addr
	start(t, relaying(srv, at)).exits(3)
	start(t, working(at, e.Server, "--dedupe", "off")).exits(3)
	code, out, errs := invoke(t, "backlog", "redis://"+at+"/work")
	if code != 3 || strings.Contains(out+errs, canary) {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
}

// The second relay stands by, ready, and takes over when the first is killed,
// with a lease or without.
func TestRelayStandby(t *testing.T) {
	for name, lease := range map[string]bool{"the service decides": false, "lease": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := redistest.Start(t)
			srv := service(t)
			args := relaying(srv, redis.Addr, "--standby", "--health-addr", "127.0.0.1:0")
			if lease {
				args = append(args, "--lease", "redis://"+redis.Addr+"/2")
			}
			is := func(c *command, state string) {
				c.t.Helper()
				c.answers(c.health()+"/readyz", state, func(status int, body string) bool {
					return status == http.StatusOK && strings.Contains(body, `"state":"`+state+`"`)
				})
			}
			first := start(t, args)
			is(first, "connected")
			second := start(t, args)
			is(second, "standby")
			first.signal(syscall.SIGKILL)
			<-first.done
			is(second, "connected")
			acked(t, srv, publish(t, srv, "ORDER", `{}`))
			leases := func() int {
				keys := redis.Client(func(o *goredis.Options) { o.DB = 2 }).Keys(t.Context(), "*")
				return len(must[[]string](t)(keys.Result()))
			}
			if n := leases(); lease != (n == 1) {
				t.Errorf("%d leases", n)
			}
			second.stops()
			if n := leases(); n != 0 {
				t.Errorf("%d leases are left", n)
			}
		})
	}
}

// Events of one key reach the endpoint in their order, though the work is
// shared; those of others need not wait.
func TestRelayKeepsOrder(t *testing.T) {
	redis := redistest.Start(t)
	srv := service(t)
	e := endpointFor(t)
	const n, customers = 120, 6
	var events []edstest.Event
	for i := range n {
		events = append(events, edstest.Event{Type: "ORDER", Payload: []byte(`{"customer":` + string(rune('0'+i%customers)) + `}`)})
	}
	all := must[[]string](t)(srv.PublishAll("orders", events))
	relay := start(t, relaying(srv, redis.Addr, "--partitions", "4", "--order-by", "data.customer"))
	acked(t, srv, all...)
	args := working(redis.Addr, e.Server, "--partitions", "4", "--concurrency", "8")
	workers := []*command{start(t, args), start(t, args)}
	e.until(t, "all events", func() bool { return len(e.tries) == n })
	relay.stops()
	for _, w := range workers {
		w.stops()
	}
	place := make(map[string]int)
	for i, head := range e.heads {
		place[head.Get("Ce-Id")] = i
	}
	for i := customers; i < n; i++ {
		if place[all[i]] < place[all[i-customers]] {
			t.Errorf("event %d overtook event %d of the same customer", i, i-customers)
		}
	}
}

// A database that the server does not have is a mistake, and takes nothing.
func TestRelayToADatabaseThatIsNotThere(t *testing.T) {
	redis := redistest.Start(t)
	srv := service(t)
	all := publishMany(t, srv, 200)
	c := start(t, relaying(srv, redis.Addr+"/work?db=99#"))
	c.exits(1)
	c.untilLogs("no such database", 1)
	if got := srv.Queue("orders").Unacked(); len(got) != len(all) {
		t.Errorf("%d of %d are unacknowledged", len(got), len(all))
	}
}

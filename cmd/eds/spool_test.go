package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/eventdelivery/eds-go/eds/edstest"
)

// The service has all its acknowledgements while the endpoint is down, and the
// endpoint has each event in the end, also over the death of the process. (For
// how long it may be down, transport/spool shows in simulated time.)
func TestForwardSpool(t *testing.T) {
	srv := service(t)
	e := endpointFor(t)
	var down atomic.Bool
	var refused atomic.Int32
	down.Store(true)
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			refused.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		e.Config.Handler.ServeHTTP(w, r)
	}))
	defer door.Close()
	file := filepath.Join(t.TempDir(), "orders.spool")
	args := []string{"forward", "--url", srv.URL(), "--queue", "orders", "--api-key", canary, "--reconnect-max", "50ms",
		"--to", door.URL, "--spool", file, "--concurrency", "4", "--health-addr", "127.0.0.1:0"}
	all := publishMany(t, srv, 50)
	killed := start(t, args)
	acked(t, srv, all...)
	killed.untilLogs("event redeliver", 10)
	ready := killed.answers(killed.health()+"/readyz", "both", func(status int, _ string) bool { return status == http.StatusOK })
	if !strings.Contains(ready, `"orders"`) || !strings.Contains(ready, `"spool:orders"`) {
		t.Errorf("%s", ready)
	}
	killed.signal(syscall.SIGKILL)
	<-killed.done
	if code, out, errs := invoke(t, "backlog", file, "--json"); code != 0 || !strings.Contains(out, `"events":50`) {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	if err := srv.WaitDisconnected(watchdog(t)); err != nil {
		t.Fatal(err)
	}
	down.Store(false)
	// Types that are not asked for any more were taken, and are sent.
	again := start(t, append(args, "--type", "OTHER"))
	e.until(t, "all events", func() bool { return len(e.tries) == len(all) })
	again.stops()
	closedCleanly(t, srv)
	if code, out, errs := invoke(t, "backlog", file); code != 0 || !strings.Contains(out, "\n0       0") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	for _, id := range all {
		if n := e.tried(id); n != 1 {
			t.Errorf("%s was taken %d times", id, n)
		}
	}
	if len(records(srv, edstest.OpDeliver)) != len(all) {
		t.Error("the service had to deliver something again")
	}
}

// What the endpoint does not want, and what has had its attempts, is a dead
// letter.
func TestForwardSpoolDeadLetters(t *testing.T) {
	srv := service(t)
	e := endpointFor(t, "Retry-After", "0")
	dir := t.TempDir()
	gone, tired, fine := publish(t, srv, "ORDER", `[410]`), publish(t, srv, "ORDER", `[500]`), publish(t, srv, "ORDER", `[503,204]`)
	c := start(t, forwarding(srv, e, "--spool", filepath.Join(dir, "q.spool"), "--attempts", "2", "--dead-letter", filepath.Join(dir, "dead.jsonl")))
	acked(t, srv, gone, tired, fine)
	c.untilLogs(`"event dead-lettered"`, 2)
	e.until(t, "the second try", func() bool { return e.tries[fine] == 2 })
	c.stops()
	_, out, _ := invoke(t, "deadletters", "list", filepath.Join(dir, "dead.jsonl"))
	if strings.Count(out, "\n") != 3 || !strings.Contains(out, gone) || !strings.Contains(out, tired) {
		t.Errorf("dead letters:\n%s", out)
	}
	if n := e.tried(tired); n != 2 {
		t.Errorf("sent %d times", n)
	}
}

// A spool belongs to one process.
func TestForwardSpoolInUse(t *testing.T) {
	srv := service(t)
	e := endpointFor(t)
	file := filepath.Join(t.TempDir(), "q.spool")
	first := start(t, forwarding(srv, e, "--spool", file))
	acked(t, srv, publish(t, srv, "ORDER", `{}`))
	second := start(t, forwarding(srv, e, "--spool", file))
	second.exits(1)
	if !strings.Contains(second.logged(), "--spool") || !strings.Contains(second.logged(), file) {
		t.Errorf("stderr: %s", second.logged())
	}
	first.stops()
}

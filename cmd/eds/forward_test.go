package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// endpoint is where events are sent. It answers by the event's payload: a
// number is the status, for each try the next of a list.
type endpoint struct {
	*httptest.Server
	mu    sync.Mutex
	tries map[string]int
	heads []http.Header
	body  []string
	news  chan struct{} // closed and replaced with each request
}

func endpointFor(t *testing.T, header ...string) *endpoint {
	e := &endpoint{tries: map[string]int{}, news: make(chan struct{})}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		defer e.mu.Unlock()
		id := r.Header.Get("Ce-Id")
		e.heads, e.body = append(e.heads, r.Header), append(e.body, string(body))
		var statuses []int
		_ = json.Unmarshal(body, &statuses)
		n := e.tries[id]
		e.tries[id]++
		close(e.news)
		e.news = make(chan struct{})
		status := http.StatusNoContent
		if len(statuses) > 0 {
			status = statuses[min(n, len(statuses)-1)]
		}
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(e.Server.Close)
	return e
}

func (e *endpoint) tried(id string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tries[id]
}

// until waits until ready, which is asked anew with each request.
func (e *endpoint) until(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for ctx := watchdog(t); ; {
		e.mu.Lock()
		ok, news := ready(), e.news
		e.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-news:
		case <-ctx.Done():
			t.Fatalf("waited for %s in vain", what)
		}
	}
}

func forwarding(srv *edstest.Server, e *endpoint, more ...string) []string {
	return append([]string{"forward", "--url", srv.URL(), "--queue", "orders", "--api-key", canary, "--to", e.URL + "/events"}, more...)
}

func TestForward(t *testing.T) {
	srv := service(t)
	e := endpointFor(t, "Retry-After", "0")
	taken := publish(t, srv, "ORDER", ` {"n":9007199254740993} `)
	recovered := publish(t, srv, "ORDER", `[503,429,200]`)
	gone := publish(t, srv, "ORDER", `[410]`)
	down := publish(t, srv, "ORDER", `[500]`)
	moved := publish(t, srv, "ORDER", `[302]`)
	file := t.TempDir() + "/dead.jsonl"
	c := start(t, forwarding(srv, e, "--secret", secret, "--dead-letter", file, "--attempts", "3"))
	acked(t, srv, taken, recovered, gone, down, moved)
	c.stops()
	closedCleanly(t, srv)

	for id, want := range map[string]int{taken: 1, recovered: 3, gone: 1, down: 3, moved: 1} {
		if got := e.tried(id); got != want {
			t.Errorf("%s was sent %d times, not %d", id, got, want)
		}
	}
	verify := must[*standardwebhooks.Webhook](t)(standardwebhooks.NewWebhook(secret))
	for i, head := range e.heads {
		if err := verify.Verify([]byte(e.body[i]), head); err != nil {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if h := e.heads[0]; h.Get("Ce-Type") != "ORDER" || h.Get("Ce-Specversion") != "1.0" || h.Get("Content-Type") != "application/json" || strings.TrimSpace(e.body[0]) != `{"n":9007199254740993}` {
		t.Errorf("%v %q", h, e.body[0])
	}
	code, out, errs := invoke(t, "deadletters", "show", file)
	var dead []string
	for _, l := range parse(t, out) {
		dead = append(dead, l.ID)
	}
	if code != 0 || !slices.Equal(dead, []string{gone, down, moved}) {
		t.Errorf("exit %d, dead letters %v\n%s", code, dead, errs)
	}
	if strings.Contains(c.logged(), secret) {
		t.Error("the secret was logged")
	}
}

// Without a file for dead letters what failed stays with the service.
func TestForwardWithoutDeadLetters(t *testing.T) {
	srv := service(t)
	e := endpointFor(t)
	failed, good := publish(t, srv, "ORDER", `[400,204]`), publish(t, srv, "ORDER", `{}`)
	poison := publishFrame(t, srv, frame(`"eventType":"T"`))
	c := start(t, forwarding(srv, e, "--structured=false"))
	acked(t, srv, good, poison)
	if got := srv.Queue("orders").Unacked(); !slices.Equal(got, []string{failed}) {
		t.Fatalf("unacknowledged are %v", got)
	}
	srv.Queue("orders").Expire()
	acked(t, srv, failed)
	c.stops()
	if n := e.tried(failed); n != 2 {
		t.Errorf("sent %d times", n)
	}
}

// In structured mode the body is the whole CloudEvent.
func TestForwardStructured(t *testing.T) {
	srv := service(t)
	e := endpointFor(t)
	id := publish(t, srv, "ORDER", `{"n":1}`)
	c := start(t, forwarding(srv, e, "--structured"))
	acked(t, srv, id)
	c.stops()
	got := parse(t, e.body[0]+"\n")[0]
	if got.ID != id || string(got.Data) != `{"n":1}` || !strings.HasPrefix(e.heads[0].Get("Content-Type"), "application/cloudevents+json") {
		t.Errorf("%s %s", e.heads[0], e.body[0])
	}
}

// From a topic it is the same: acknowledged when the endpoint has taken it,
// tried again, dead-lettered, or given back.
func TestForwardFromTopic(t *testing.T) {
	srv := broker(t)
	e := endpointFor(t, "Retry-After", "0")
	file := t.TempDir() + "/dead.jsonl"
	all := put(t, srv, shop, `{"n":1}`, `[503,200]`, `[410]`, "no JSON")
	c := start(t, []string{"forward", "--url", srv.URL(), "--topic", shop, "--api-key", canary, "--subscription", "crm", "--from", "earliest",
		"--to", e.URL + "/events", "--dead-letter", file})
	settled(t, srv, "crm", all...)
	c.stops()
	for i, want := range []int{1, 2, 1, 1} {
		if got := e.tried(all[i]); got != want {
			t.Errorf("event %d was sent %d times, not %d", i, got, want)
		}
	}
	if h := e.heads[len(e.heads)-1]; e.body[len(e.body)-1] != "no JSON" || h.Get("Content-Type") != "application/octet-stream" || h.Get("Ce-Type") != shop {
		t.Errorf("%v %q", h, e.body)
	}
	if _, out, _ := invoke(t, "deadletters", "show", file); len(parse(t, out)) != 1 || parse(t, out)[0].ID != all[2] {
		t.Errorf("dead letters: %s", out)
	}
}

// Without a file for dead letters what failed is given back and comes again
// after --nack-delay, from a Reader too, whose place stays before it.
func TestForwardFromTopicGivesBack(t *testing.T) {
	for name, more := range map[string][]string{
		"consumer": {"--subscription", "crm", "--subscription-type", "Shared"},
		"reader":   {"--cursor", t.TempDir() + "/place"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := broker(t)
			e := endpointFor(t)
			all := put(t, srv, shop, `[400,400,204]`, `{}`)
			c := start(t, append([]string{"forward", "--url", srv.URL(), "--topic", shop, "--api-key", canary, "--from", "earliest",
				"--nack-delay", "100ms", "--to", e.URL}, more...))
			if name == "consumer" {
				settled(t, srv, "crm", all...)
			} else {
				seen(t, srv, len(all), pulsartest.OpCredit)
			}
			c.stops()
			if e.tried(all[0]) != 3 || e.tried(all[1]) != 1 {
				t.Errorf("sent %v", e.tries)
			}
		})
	}
}

package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/internal/faults"
)

// Refused credentials end the command after one attempt, by each of the ways
// in which the pages say that they are refused.
func TestListenRefused(t *testing.T) {
	faults.Covers(t, "A1", "A2", "A3")
	cases := []struct {
		name string
		args func(*edstest.Server) []string
		srv  []edstest.Option
		code int
	}{
		{"wrong key 403", nil, []edstest.Option{edstest.APIKey("another")}, 403},
		{"wrong key 4403", nil, []edstest.Option{edstest.APIKey("another"), edstest.RefuseByClose()}, 4403},
		{"401", nil, nil, 401},
		{"4401", nil, nil, 4401},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			srv := service(t, tc.srv...)
			dials := 1
			switch tc.code {
			case 401:
				srv.OnDial(edstest.Refuse(401), edstest.Always())
			case 4401:
				// A service that quotes what it was sent must not make us show it.
				srv.OnDial(edstest.Close(4401, "api-key "+canary), edstest.Always())
			}
			c := start(t, listening(srv))
			c.exits(3)
			for _, r := range records(srv, edstest.OpRefuse, edstest.OpConnect) {
				if dials--; dials < 0 {
					t.Errorf("another attempt: %v", r)
				}
			}
			if got := c.logged(); !strings.Contains(got, "refused the credentials") {
				t.Errorf("stderr: %s", got)
			}
		})
	}
}

var pauses = regexp.MustCompile(`held by another client.*pause=(\S+)`)

// A queue that is held is tried again after about a second, whatever the
// bounds of other pauses, and taken when it is free.
func TestListenWaitsForHeldQueue(t *testing.T) {
	faults.Covers(t, "A4", "A5")
	for name, held := range map[string]edstest.DialAction{"409": edstest.Refuse(409), "4409": edstest.Close(4409, "duplicate")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := service(t)
			srv.OnDial(held, edstest.Times(2))
			id := publish(t, srv, "T", `{}`)
			c := start(t, listening(srv, "--reconnect-min", "1ms", "--reconnect-max", "1ms"))
			c.lines(1)
			acked(t, srv, id)
			c.stops()
			found := pauses.FindAllStringSubmatch(c.logged(), -1)
			if len(found) != 2 {
				t.Fatalf("stood by %d times", len(found))
			}
			for _, f := range found {
				if d := must[time.Duration](t)(time.ParseDuration(f[1])); d < 900*time.Millisecond || d > 1500*time.Millisecond {
					t.Errorf("a pause of %v", d)
				}
			}
		})
	}
}

// Whatever ends a connection, the next one goes on, and the old one is closed
// before.
func TestListenReconnects(t *testing.T) {
	srv := service(t)
	c := start(t, listening(srv))
	var all []string
	for i, how := range []edstest.Breakage{edstest.Drop(), edstest.Reset(), edstest.Close(1000, ""), edstest.Close(1001, ""), edstest.Close(1005, ""), edstest.Close(1011, "oops"), edstest.Close(4999, "?")} {
		happened(t, srv, func(r edstest.Record) bool { return r.Op == edstest.OpConnect && r.Conn == i+1 })
		all = append(all, publish(t, srv, "T", `{}`))
		acked(t, srv, all...)
		srv.Break(how)
	}
	all = append(all, publish(t, srv, "T", `{}`))
	acked(t, srv, all...)
	if got := ids(c.lines(len(all))); !slices.Equal(got, all) {
		t.Errorf("printed %v of %v", got, all)
	}
	c.stops()
	if refused := records(srv, edstest.OpRefuse); len(refused) != 0 {
		t.Errorf("a dial before the old connection was closed: %v", refused)
	}
}

// A half-open connection is found out by the keep-alive.
func TestListenNoticesSilence(t *testing.T) {
	faults.Covers(t, "B1")
	srv := service(t, edstest.IdleTimeout(time.Millisecond))
	c := start(t, listening(srv, "--ping-interval", "50ms", "--pong-timeout", "50ms"))
	happened(t, srv, func(r edstest.Record) bool { return r.Op == edstest.OpConnect })
	srv.Break(edstest.Mute())
	happened(t, srv, func(r edstest.Record) bool { return r.Op == edstest.OpConnect && r.Conn > 1 })
	c.stops()
}

// A server that cannot be reached is tried again until a signal comes, or it
// can be.
func TestListenUnreachable(t *testing.T) {
	listener := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	address := listener.Addr().String()
	listener.Close()
	srv := edstest.NewTestServer(t, edstest.Queues("orders"), edstest.APIKey(canary))
	args := []string{"listen", "--url", "ws://" + address, "--queue", "orders", "--reconnect-min", "10ms", "--reconnect-max", "20ms"}

	c := start(t, args, env("EDS_API_KEY="+canary))
	c.untilLogs("not connected", 3)
	c.stops()

	c = start(t, args, env("EDS_API_KEY="+canary))
	c.untilLogs("not connected", 3)
	if err := srv.Listen(address); err != nil {
		t.Skip("the port was taken meanwhile: ", err)
	}
	id := publish(t, srv, "T", `{}`)
	c.lines(1)
	acked(t, srv, id)
	c.stops()
}

// The queue becomes the escaped query parameter; path and other parameters
// stay; the key travels in the header alone.
func TestListenDialsWhatItWasTold(t *testing.T) {
	const queue = "a b&c/ü?=#%+"
	srv := edstest.NewTestServer(t, edstest.Queues(queue), edstest.APIKey(canary))
	var mu sync.Mutex
	var dialed *http.Request
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		dialed = r.Clone(t.Context())
		mu.Unlock()
		srv.ServeHTTP(w, r)
	}))
	defer front.Close()
	host := strings.TrimPrefix(front.URL, "http://")
	id := must[string](t)(srv.Publish(queue, edstest.Event{Type: "T"}))
	c := start(t, []string{"listen", "--url", "ws://" + host + "/subscribe?stage=%20eu&queue=other&flag", "--queue", queue, "--api-key", canary, "--max-events", "1"})
	c.exits(0)
	acked(t, srv, id)
	// A handler cannot outlive its server.
	if err := srv.WaitDisconnected(watchdog(t)); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	q := dialed.URL.Query()
	if dialed.URL.Path != "/subscribe" || !slices.Equal(q["queue"], []string{queue}) || q.Get("stage") != " eu" || !q.Has("flag") || len(q) != 3 {
		t.Errorf("dialed %s", dialed.URL)
	}
	if got := dialed.Header.Get("Authorization"); got != "api-key "+canary || strings.Contains(dialed.URL.String(), canary) {
		t.Errorf("Authorization is %q", got)
	}
	want := "eds://" + host + "/" + url.PathEscape(queue)
	if got := c.printed()[0].Source; got != want {
		t.Errorf("source is %s, not %s", got, want)
	}
}

// A redirect is not followed: it would take the key elsewhere.
func TestListenFollowsNoRedirect(t *testing.T) {
	faults.Covers(t, "A15")
	srv := service(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	srv.OnDial(edstest.Refuse(307).With("Location", elsewhere.URL))
	id := publish(t, srv, "T", `{}`)
	c := start(t, listening(srv, "--max-events", "1"))
	c.exits(0)
	acked(t, srv, id)
}

// A signal ends the command also while it waits for an answer to its dial.
func TestListenEndsWhileDialing(t *testing.T) {
	srv := service(t)
	silent := srv.OnDial(edstest.Mute(), edstest.Always())
	c := start(t, listening(srv))
	if err := silent.Wait(watchdog(t), 1); err != nil {
		t.Fatal(err)
	}
	c.stops()
}

package probe

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/memory"
)

// fixed is an App of which everything is known.
type fixed eds.Health

func (f fixed) Health() eds.Health { return eds.Health(f) }

func in(s eds.State) fixed { return fixed{Transport: eds.Status{State: s}} }

// ask returns the status and the body of the answer to a GET.
func ask(t *testing.T, h http.Handler, path string) (status int, text string, body Report) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%s: %v: %q", path, err, w.Body)
	}
	if body.OK != (w.Code == http.StatusOK) {
		t.Errorf("%s: status %d, and the body says ok: %v", path, w.Code, body.OK)
	}
	return w.Code, w.Body.String(), body
}

func TestStateDecides(t *testing.T) {
	draining := in(eds.Connected)
	draining.Draining = true
	for name, row := range map[string]struct {
		apps        Apps
		live, ready int
	}{
		"none":                  {nil, 200, 503},
		"not_begun":             {Apps{"a": nil}, 200, 503},
		"connecting":            {Apps{"a": in(eds.Connecting)}, 200, 503},
		"connected":             {Apps{"a": in(eds.Connected)}, 200, 200},
		"standby":               {Apps{"a": in(eds.Standby)}, 200, 200},
		"closed":                {Apps{"a": in(eds.Closed)}, 200, 503},
		"refused":               {Apps{"a": in(eds.Refused)}, 503, 503},
		"draining":              {Apps{"a": draining}, 200, 503},
		"both_ready":            {Apps{"a": in(eds.Connected), "b": in(eds.Standby)}, 200, 200},
		"one_of_two_is_not":     {Apps{"a": in(eds.Connected), "b": in(eds.Connecting)}, 200, 503},
		"one_of_two_is_refused": {Apps{"a": in(eds.Refused), "b": in(eds.Connected)}, 503, 503},
	} {
		h := Handler(row.apps)
		if live, _, body := ask(t, h, "/livez"); live != row.live || len(body.Apps) != len(row.apps) {
			t.Errorf("%s: /livez says %d, want %d: %+v", name, live, row.live, body)
		}
		ready, _, body := ask(t, h, "/readyz")
		if ready != row.ready || len(body.Apps) != len(row.apps) {
			t.Errorf("%s: /readyz says %d, want %d: %+v", name, ready, row.ready, body)
		}
		for name, app := range row.apps {
			if app != nil && body.Apps[name].OK != app.Health().Ready() {
				t.Errorf("%s is said to be ready: %v", name, body.Apps[name].OK)
			}
		}
	}
}

func TestReportTellsAll(t *testing.T) {
	at := time.Date(2026, 11, 22, 3, 4, 5, 678_900_000, time.FixedZone("", 3600))
	h := Handler(Apps{"orders": fixed{
		Transport: eds.Status{
			State: eds.Standby, Since: at, LastRead: at.Add(time.Second), LastEvent: at.Add(2 * time.Second),
			Connects: 1, Unconfirmed: 2, Skipped: 3, Gaps: 4, JumpsBack: 5, Err: errors.New("409 \"held\"\x1b"),
		},
		Running: 6, Queued: 7, Stuck: 8, OldestUnacked: 1500 * time.Millisecond,
		Outcomes: eds.Outcomes{10, 11, 12, 13, 14, 15}, Draining: true,
	}})
	const want = `{"ok":false,"apps":{"orders":{"ok":false,"state":"standby","since":"2026-11-22T02:04:05.678Z","draining":true,` +
		`"last_read":"2026-11-22T02:04:06.678Z","last_event":"2026-11-22T02:04:07.678Z","connects":1,` +
		`"running":6,"queued":7,"stuck":8,"oldest_unacked_seconds":1.5,"unconfirmed":2,"skipped":3,"gaps":4,"jumps_back":5,` +
		`"outcomes":{"dead-lettered":13,"duplicate":11,"failed":14,"handled":10,"redeliver":15,"unsupported":12},` +
		`"error":"409 \"held\"\u001b"}}}` + "\n"
	if _, text, _ := ask(t, h, "/readyz"); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	const least = `{"ok":true,"apps":{"a":{"ok":true,"state":"connecting","connects":0,"running":0,"queued":0,"stuck":0,` +
		`"oldest_unacked_seconds":0,"unconfirmed":0,"skipped":0,` +
		`"outcomes":{"dead-lettered":0,"duplicate":0,"failed":0,"handled":0,"redeliver":0,"unsupported":0}}}}` + "\n"
	if _, text, _ := ask(t, Handler(Apps{"a": fixed{}}), "/livez"); text != least {
		t.Errorf("got  %s\nwant %s", text, least)
	}
}

func TestErrorIsShortened(t *testing.T) {
	long := in(eds.Connecting)
	long.Transport.Err = errors.New("x" + strings.Repeat("é", 400))
	_, _, body := ask(t, Handler(Apps{"a": long}), "/readyz")
	if got := body.Apps["a"].Error; got != "x"+strings.Repeat("é", 255)+"…" {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

func TestRequests(t *testing.T) {
	apps := Apps{"a": in(eds.Connected)}
	h := Handler(apps)
	apps["b"] = in(eds.Refused) // too late
	for _, row := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/readyz", 200},
		{http.MethodHead, "/livez", 200},
		{http.MethodPost, "/readyz", 405},
		{http.MethodGet, "/", 404},
		{http.MethodGet, "/readyz/", 404},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), row.method, row.path, nil))
		if w.Code != row.status {
			t.Errorf("%s %s: %d, want %d", row.method, row.path, w.Code, row.status)
		}
		if header := w.Header(); row.status == 200 && (header.Get("Content-Type") != "application/json" || header.Get("Cache-Control") != "no-store") {
			t.Errorf("%s %s: %v", row.method, row.path, header)
		}
	}
}

// From its beginning to its end an App is ready while it receives, lives
// all the time, and nothing of its events is told.
func TestLifeOfAnApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const canary = "canary-51c0ffee"
		queue, letters := memory.New("orders"), memory.New("letters")
		app := eds.New(queue, eds.DrainTimeout(time.Minute))
		entered, release := make(chan struct{}), make(chan struct{})
		app.Handle("*", func(_ context.Context, e *eds.Event) error {
			if e.Type == "slow" {
				close(entered)
				<-release
			}
			return nil
		})
		other := eds.New(letters)
		other.Handle("*", func(context.Context, *eds.Event) error { return nil })
		h := Handler(Apps{"orders": app, "letters": other})

		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		go func() { ended <- app.Run(ctx) }()
		otherCtx, cancelOther := context.WithCancel(t.Context())
		go func() { ended <- other.Run(otherCtx) }()
		for _, kind := range []string{"quick", "slow"} {
			if err := queue.Publish(eds.Event{ID: canary + kind, Type: kind, Payload: []byte(`"` + canary + `"`)}); err != nil {
				t.Fatal(err)
			}
		}
		<-entered
		time.Sleep(time.Second) // fake time: until the event is a second old

		status, text, body := ask(t, h, "/readyz")
		orders := body.Apps["orders"]
		if status != 200 || orders.State != "connected" || orders.Running != 1 || orders.OldestUnacked != 1 || orders.Outcomes["handled"] != 1 {
			t.Errorf("at work: %d %s", status, text)
		}
		if strings.Contains(text, canary) {
			t.Errorf("an event shows: %s", text)
		}

		cancel()
		synctest.Wait()
		status, text, body = ask(t, h, "/readyz")
		if orders = body.Apps["orders"]; status != 503 || orders.OK || !orders.Draining || !body.Apps["letters"].OK {
			t.Errorf("draining: %d %s", status, text)
		}
		if status, text, _ := ask(t, h, "/livez"); status != 200 {
			t.Errorf("draining: %d %s", status, text)
		}

		close(release)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		status, text, body = ask(t, h, "/readyz")
		if status != 503 || body.Apps["orders"].State != "closed" {
			t.Errorf("at the end: %d %s", status, text)
		}
		cancelOther()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

var address = regexp.MustCompile(`(?m)^listening on (ws://127\.0\.0\.1:\d+)$`)

// simulating starts simulate and returns its address.
func simulating(t *testing.T, more ...string) (*command, string) {
	t.Helper()
	c := start(t, append([]string{"simulate", "--addr", "127.0.0.1:0", "--queue", "orders"}, more...), env("EDS_API_KEY="+canary))
	c.untilLogs("listening on ", 1)
	c.until("the address", func(_, err string) bool { return address.MatchString(err) })
	return c, address.FindStringSubmatch(c.logged())[1]
}

// post sends a request to the publishing API and returns the answer.
func post(t *testing.T, url, authorization, body string) (int, string) {
	t.Helper()
	req := must[*http.Request](t)(http.NewRequestWithContext(watchdog(t), http.MethodPost, url, strings.NewReader(body)))
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp := must[*http.Response](t)(http.DefaultClient.Do(req))
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	return resp.StatusCode, string(must[[]byte](t)(io.ReadAll(resp.Body)))
}

func TestSimulatePublish(t *testing.T) {
	_, url := simulating(t, "--queue", "a b")
	http := strings.Replace(url, "ws", "http", 1)
	key := "api-key " + canary
	event := `{"eventId":"x","eventType":"T","eventTs":"whenever","eventPayload":{"n":9007199254740993}}`
	for _, tc := range []struct {
		path, key, body string
		want            int
	}{
		{"/queues/orders/events", key, event, 202},
		{"/queues/a%20b/events", key, event, 202},
		{"/queues/orders/events", key, `{"eventType":"T"}`, 202},
		{"/queues/orders/events", key, `{"eventId":"x"}`, 400},
		{"/queues/orders/events", key, `not JSON`, 400},
		{"/queues/orders/events", key, ``, 400},
		{"/queues/orders/events", "", event, 401},
		{"/queues/orders/events", "api-key wrong", event, 403},
		{"/queues/unknown/events", key, event, 404},
	} {
		status, answer := post(t, http+tc.path, tc.key, tc.body)
		if status != tc.want || status == 202 && !strings.Contains(answer, `"eventId":`) {
			t.Errorf("%s %.20s %.40q: %d %s, not %d", tc.path, tc.key, tc.body, status, answer, tc.want)
		}
	}
	listen := func(queue string) *command {
		return start(t, []string{"listen", "--url", url + "/subscribe", "--queue", queue, "--max-events", "1", "--api-key", canary})
	}
	for _, queue := range []string{"orders", "a b"} {
		c := listen(queue)
		c.exits(0)
		if got := c.printed(); got[0].ID != "x" || string(got[0].Data) != `{"n":9007199254740993}` || got[0].Time != "" {
			t.Errorf("%s: %s", queue, got[0].raw)
		}
	}
}

// Both commands together: refusals, a queue that is taken, samples, and the
// end.
func TestSimulateAndListen(t *testing.T) {
	sim, url := simulating(t, "--queue", "more", "--queue", "more", "--events", "3", "--window", "1", "--visibility-timeout", "50ms")
	args := func(queue string, more ...string) []string {
		return append([]string{"listen", "--url", url, "--queue", queue, "--reconnect-max", "10ms"}, more...)
	}
	for _, queue := range []string{"orders", "more"} {
		c := start(t, args(queue, "--max-events", "3"), env("EDS_API_KEY="+canary))
		c.exits(0)
		var kinds []string
		for _, l := range c.printed() {
			kinds = append(kinds, l.Type)
		}
		if !slices.Equal(kinds, []string{"TENANT_ONBOARDED", "TENANT_ONBOARDED", "TENANT_ONBOARDED"}) {
			t.Errorf("%s: %v", queue, kinds)
		}
	}
	start(t, args("orders", "--api-key", "wrong")).exits(3)
	unknown := start(t, args("unknown"), env("EDS_API_KEY="+canary))
	unknown.exits(1)

	holder := start(t, args("orders"), env("EDS_API_KEY="+canary))
	holder.untilLogs("connected", 1)
	standby := start(t, args("orders"), env("EDS_API_KEY="+canary))
	standby.untilLogs("held by another client", 1)
	holder.stops()
	standby.untilLogs("connected", 1)

	sim.stops()
	standby.untilLogs("not connected", 1)
	standby.stops()
}

// client is a connection of the test's own to a simulator.
type client struct {
	t  *testing.T
	ws *websocket.Conn
}

func connect(t *testing.T, url string) *client {
	t.Helper()
	ws, resp, err := websocket.Dial(watchdog(t), url+"?queue=orders", &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"api-key " + canary}},
	})
	if err != nil {
		t.Fatal(err, resp)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	return &client{t, ws}
}

type received struct {
	FrameType    string
	FramePayload struct{ EventID, ReceiptID, CorrelationID string }
}

func (c *client) read() (f received) {
	c.t.Helper()
	_, message, err := c.ws.Read(watchdog(c.t))
	if err == nil {
		err = json.Unmarshal(message, &f)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return f
}

func (c *client) write(message string) {
	c.t.Helper()
	if err := c.ws.Write(watchdog(c.t), websocket.MessageText, []byte(message)); err != nil {
		c.t.Fatal(err)
	}
}

// An event that is not acknowledged in time comes again under a new receipt.
func TestSimulateVisibilityTimeout(t *testing.T) {
	_, url := simulating(t, "--visibility-timeout", "50ms", "--events", "1", "--idle-timeout", "5s") // well before the default
	c := connect(t, url)
	first, second := c.read().FramePayload, c.read().FramePayload
	if first.EventID == "" || first.EventID != second.EventID || first.ReceiptID == second.ReceiptID {
		t.Errorf("%v, then %v", first, second)
	}
}

// No more than --window events are with the client.
func TestSimulateWindow(t *testing.T) {
	_, url := simulating(t, "--window", "2", "--events", "5")
	c := connect(t, url)
	first := c.read().FramePayload
	c.read()
	c.write(`{"frameType":"PING","framePayload":{"correlationId":"p"}}`)
	if f := c.read(); f.FrameType != "PONG" || f.FramePayload.CorrelationID != "p" {
		t.Errorf("after the window there came %v", f)
	}
	c.write(`{"frameType":"ACK_EVENT","framePayload":{"receiptId":"` + first.ReceiptID + `"}}`)
	if reply, next := c.read(), c.read(); reply.FrameType != "ACK_EVENT_REPLY" || reply.FramePayload.ReceiptID != first.ReceiptID || next.FrameType != "EVENT" {
		t.Errorf("after the acknowledgement there came %v, %v", reply, next)
	}
}

// A client that says nothing for --idle-timeout is disconnected.
func TestSimulateIdleTimeout(t *testing.T) {
	_, url := simulating(t, "--idle-timeout", "50ms")
	c := connect(t, url)
	if _, _, err := c.ws.Read(watchdog(t)); websocket.CloseStatus(err) != websocket.StatusNoStatusRcvd {
		t.Errorf("ended with %v", err)
	}
}

func TestSimulateUsage(t *testing.T) {
	good := []string{"simulate", "--addr", "127.0.0.1:0", "--queue", "q", "--api-key", "k"}
	for _, tc := range [][2]string{
		{"--addr", "nowhere"}, {"--window", "0"}, {"--events", "-1"}, {"--visibility-timeout", "0s"},
		{"--idle-timeout", "-1s"}, {"--queue", ""}, {"--api-key", ""}, {"--window", "many"},
	} {
		code, _, errs := invoke(t, append(slices.Clone(good), tc[0]+"="+tc[1])...)
		if code != 2 || !strings.Contains(errs, tc[0]) || !strings.Contains(errs, tc[1]) {
			t.Errorf("%v: exit %d: %s", tc, code, errs)
		}
	}
	code, _, errs := invoke(t, "simulate", "--queue", "q", "--api-key", "k", "--addr", "256.0.0.1:80")
	if code != 1 || !strings.Contains(errs, "--addr") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestReachable(t *testing.T) {
	for url, want := range map[string]string{
		"ws://[::]:80": "ws://127.0.0.1:80", "ws://0.0.0.0:80": "ws://127.0.0.1:80", "ws://10.0.0.1:80": "ws://10.0.0.1:80", "ws://[::1]:80": "ws://[::1]:80",
	} {
		if got := reachable(url); got != want {
			t.Error(fmt.Sprint(url, " became ", got))
		}
	}
}

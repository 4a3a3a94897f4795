package edstest_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/eds/edstest"
)

// client is a plain WebSocket client that does nothing by itself.
type client struct {
	t  *testing.T
	ws *websocket.Conn
}

// frame is any frame of the protocol.
type frame struct {
	Type    string `json:"frameType"`
	Payload struct {
		EventID     string          `json:"eventId"`
		EventType   string          `json:"eventType"`
		Receipt     string          `json:"receiptId"`
		TS          string          `json:"eventTs"`
		Queue       string          `json:"queueName"`
		Payload     json.RawMessage `json:"eventPayload"`
		Correlation string          `json:"correlationId"`
	} `json:"framePayload"`
}

// everywhere runs the test over a real port and in a bubble over a pipe.
func everywhere(t *testing.T, test func(t *testing.T, newServer func(...edstest.Option) *edstest.Server)) {
	t.Run("port", func(t *testing.T) {
		t.Parallel()
		test(t, func(opts ...edstest.Option) *edstest.Server {
			s := edstest.NewTestServer(t, opts...)
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
			return s
		})
	})
	inBubble(t, test)
}

func inBubble(t *testing.T, test func(t *testing.T, newServer func(...edstest.Option) *edstest.Server)) {
	t.Run("bubble", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			test(t, func(opts ...edstest.Option) *edstest.Server { return edstest.NewTestServer(t, opts...) })
		})
	})
}

// httpClient reaches s by its port, or through memory when it has none.
func httpClient(t *testing.T, s *edstest.Server) *http.Client {
	transport := &http.Transport{}
	if s.URL() == "ws://127.0.0.1" {
		transport.DialContext = s.DialContext
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// try dials; the status is 0 when there was no HTTP answer.
func try(t *testing.T, s *edstest.Server, query string, header http.Header) (*client, int, error) {
	t.Helper()
	return tryAt(t, httpClient(t, s), s.URL(), query, header)
}

func tryAt(t *testing.T, via *http.Client, url, query string, header http.Header) (*client, int, error) {
	t.Helper()
	ws, resp, err := websocket.Dial(t.Context(), url+query, &websocket.DialOptions{HTTPClient: via, HTTPHeader: header})
	status := 0
	if resp != nil {
		status = resp.StatusCode
	}
	if err != nil {
		return nil, status, err
	}
	ws.SetReadLimit(-1)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return &client{t, ws}, status, nil
}

func key(k string) http.Header { return http.Header{"Authorization": {"api-key " + k}} }

// dial connects to the default queue.
func dial(t *testing.T, s *edstest.Server) *client {
	t.Helper()
	c, _, err := try(t, s, "?queue="+edstest.DefaultQueue, key(edstest.DefaultKey))
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	return c
}

func (c *client) message() (websocket.MessageType, []byte, error) { return c.ws.Read(c.t.Context()) }

// next reads one frame.
func (c *client) next() frame {
	c.t.Helper()
	_, data, err := c.message()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	var f frame
	if err := json.Unmarshal(data, &f); err != nil {
		c.t.Fatalf("read %q: %v", data, err)
	}
	return f
}

// event reads one frame, which must be an EVENT, and returns its id and receipt.
func (c *client) event() (id, receipt string) {
	c.t.Helper()
	f := c.next()
	if f.Type != "EVENT" {
		c.t.Fatalf("read %+v, want an EVENT", f)
	}
	return f.Payload.EventID, f.Payload.Receipt
}

func (c *client) wantEvent(id string) (receipt string) {
	c.t.Helper()
	got, receipt := c.event()
	if got != id {
		c.t.Fatalf("event %q, want %q", got, id)
	}
	return receipt
}

func (c *client) write(text string) {
	c.t.Helper()
	if err := c.ws.Write(c.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

func (c *client) sendAck(receipt string) {
	c.t.Helper()
	c.write(`{"frameType":"ACK_EVENT","framePayload":{"receiptId":"` + receipt + `"}}`)
}

// ack acknowledges and reads the reply.
func (c *client) ack(receipt string) {
	c.t.Helper()
	c.sendAck(receipt)
	if f := c.next(); f.Type != "ACK_EVENT_REPLY" || f.Payload.Receipt != receipt {
		c.t.Fatalf("read %+v, want the reply to %q", f, receipt)
	}
}

func (c *client) ping(id string) {
	c.t.Helper()
	c.write(`{"frameType":"PING","framePayload":{"correlationId":"` + id + `"}}`)
}

// wantPong pings and reads the answer: whatever came before is read.
func (c *client) wantPong() {
	c.t.Helper()
	c.ping("here?")
	if f := c.next(); f.Type != "PONG" || f.Payload.Correlation != "here?" {
		c.t.Fatalf("read %+v, want the PONG", f)
	}
}

// wantClose reads until the connection ends and checks how: -1 for no close
// frame.
func (c *client) wantClose(code int) {
	c.t.Helper()
	for {
		_, _, err := c.message()
		if err == nil {
			continue
		}
		if got := int(websocket.CloseStatus(err)); got != code {
			c.t.Fatalf("the connection ended with %d (%v), want %d", got, err, code)
		}
		return
	}
}

// publish publishes n events to the default queue.
func publish(t *testing.T, s *edstest.Server, n int) []string {
	t.Helper()
	if _, err := s.PublishAll(edstest.DefaultQueue, make([]edstest.Event, n)); err == nil {
		t.Fatal("events without a type were published")
	}
	events := make([]edstest.Event, n)
	for i := range events {
		events[i].Type = "TENANT_ONBOARDED"
	}
	ids, err := s.PublishAll(edstest.DefaultQueue, events)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// records returns the history's records of these kinds.
func records(s *edstest.Server, ops ...edstest.Op) (found []edstest.Record) {
	for _, r := range s.History() {
		for _, op := range ops {
			if r.Op == op {
				found = append(found, r)
			}
		}
	}
	return found
}

// soon bounds what should happen at once; it never decides a passing test.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("nothing came"))
	t.Cleanup(cancel)
	return ctx
}

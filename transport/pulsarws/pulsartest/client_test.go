package pulsartest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

const (
	topic    = "acme/events/orders"
	fullName = "persistent://acme/events/orders"
)

func consumerPath(sub, query string) string {
	return "/ws/v2/consumer/persistent/acme/events/orders/" + sub + "?" + query
}

func readerPath(query string) string {
	return "/ws/v2/reader/persistent/acme/events/orders?" + query
}

func producerPath(query string) string {
	return "/ws/v2/producer/persistent/acme/events/orders?" + query
}

// in runs a test with a server in a bubble.
func in(t *testing.T, f func(t *testing.T, s *pulsartest.Server), opts ...pulsartest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, pulsartest.NewTestServer(t, opts...)) })
}

// client is a WebSocket that knows nothing of Pulsar but its JSON.
type client struct {
	t    *testing.T
	ws   *websocket.Conn
	got  chan envelope
	over chan error
}

// envelope is anything that the server sends.
type envelope struct {
	MessageID       string            `json:"messageId"`
	Payload         []byte            `json:"payload"`
	Properties      map[string]string `json:"properties"`
	PublishTime     string            `json:"publishTime"`
	RedeliveryCount int               `json:"redeliveryCount"`
	EventTime       string            `json:"eventTime"`
	Key             string            `json:"key"`
	Result          string            `json:"result"`
	Context         string            `json:"context"`
	EndOfTopic      *bool             `json:"endOfTopic"`
	raw             string
	kind            websocket.MessageType
}

func dial(t *testing.T, s *pulsartest.Server, path string, header ...string) *client {
	t.Helper()
	c, status := try(t, s, path, header...)
	if c == nil {
		t.Fatalf("%s: status %d", path, status)
	}
	return c
}

// refused dials and returns the status of the refusal.
func refused(t *testing.T, s *pulsartest.Server, path string, header ...string) int {
	t.Helper()
	c, status := try(t, s, path, header...)
	if c != nil {
		t.Errorf("%s was let in", path)
	}
	return status
}

func try(t *testing.T, s *pulsartest.Server, path string, header ...string) (*client, int) {
	t.Helper()
	transport := &http.Transport{DialContext: s.DialContext}
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	ws, resp, err := websocket.Dial(t.Context(), s.URL()+path, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, HTTPHeader: h,
	})
	if err != nil {
		transport.CloseIdleConnections()
		if resp == nil {
			return nil, 0
		}
		return nil, resp.StatusCode
	}
	ws.SetReadLimit(-1)
	c := &client{t: t, ws: ws, got: make(chan envelope, 10_000), over: make(chan error, 1)}
	t.Cleanup(func() { _ = ws.CloseNow() })
	go c.read()
	return c, 0
}

func (c *client) read() {
	for {
		kind, data, err := c.ws.Read(context.Background())
		if err != nil {
			c.over <- err
			close(c.got)
			return
		}
		e := envelope{raw: string(data), kind: kind}
		_ = json.Unmarshal(data, &e)
		c.got <- e
	}
}

// next returns what comes next.
func (c *client) next() envelope {
	c.t.Helper()
	select {
	case e, ok := <-c.got:
		if !ok {
			c.t.Fatal("the connection ended")
		}
		return e
	case <-time.After(time.Hour): // fake time: for what must come, at once or after some delay
		c.t.Fatal("nothing came")
		return envelope{}
	}
}

// expect wants messages with these payloads, and nothing more for now.
func (c *client) expect(payloads ...string) []envelope {
	c.t.Helper()
	synctest.Wait()
	var all []envelope
	var got []string
	for len(c.got) > 0 {
		e, ok := <-c.got
		if !ok {
			break
		}
		all = append(all, e)
		got = append(got, string(e.Payload))
	}
	if !slices.Equal(got, payloads) {
		c.t.Fatalf("got %q, want %q", got, payloads)
	}
	return all
}

func (c *client) send(text string) {
	c.t.Helper()
	if err := c.ws.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) ack(e envelope)  { c.t.Helper(); c.send(fmt.Sprintf(`{"messageId":%q}`, e.MessageID)) }
func (c *client) nack(e envelope) { c.t.Helper(); c.send(nackText(e.MessageID)) }
func (c *client) permit(n int) {
	c.t.Helper()
	c.send(fmt.Sprintf(`{"type":"permit","permitMessages":%d}`, n))
}

func nackText(id string) string {
	return fmt.Sprintf(`{"type":"negativeAcknowledge","messageId":%q}`, id)
}

// ended returns the close code with which the connection ended; -1 without one.
func (c *client) ended() websocket.StatusCode {
	c.t.Helper()
	var err error
	for range c.got { // until it is closed
	}
	select {
	case err = <-c.over:
	default:
	}
	return websocket.CloseStatus(err)
}

// open tells whether the connection is still there.
func (c *client) open() bool {
	synctest.Wait()
	return len(c.over) == 0
}

func (c *client) close() {
	c.t.Helper()
	if err := c.ws.Close(websocket.StatusNormalClosure, ""); err != nil {
		c.t.Fatal(err)
	}
}

func publish(t *testing.T, s *pulsartest.Server, payloads ...string) []string {
	t.Helper()
	var ids []string
	for _, p := range payloads {
		id, err := s.Publish(topic, pulsartest.Message{Payload: []byte(p)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func handle(t *testing.T, s *pulsartest.Server, name string) *pulsartest.Topic {
	t.Helper()
	h, err := s.Topic(name)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func acked(t *testing.T, s *pulsartest.Server, sub string, ids ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.WaitAcked(ctx, topic, sub, ids...); err != nil {
		t.Fatal(err)
	}
}

// count is how often an Op is in the history.
func count(s *pulsartest.Server, op pulsartest.Op) (n int) {
	for _, r := range s.History() {
		if r.Op == op {
			n++
		}
	}
	return n
}

// sleep lets fake time pass.
func sleep(d time.Duration) {
	time.Sleep(d) // fake time: the tests of delays are about time
	synctest.Wait()
}

func query(pairs ...string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return q.Encode()
}

func numbers(from, to int) []string {
	var all []string
	for i := from; i <= to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

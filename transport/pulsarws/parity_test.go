package pulsarws_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/internal/pulsarserver"
	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

// parity is a rule of the service that the stand-in and the broker must both
// keep. A rule that is named in docs/pulsar.md is there as
// TestRealPulsarParity/NAME.
type parity struct {
	name string
	// closed has topics be there only when they were made.
	closed bool
	check  func(t *testing.T, p *place)
}

var parities = slices.Concat(windowParities, redeliveryParities, batchParities, topicParities, commandParities)

// TestStandInParity runs on the stand-in, in a bubble, what
// TestRealPulsarParity runs on the broker.
func TestStandInParity(t *testing.T) {
	for _, rule := range parities {
		t.Run(rule.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { rule.check(t, standIn(t, rule.closed)) })
		})
	}
}

func TestRealPulsarParity(t *testing.T) {
	pulsarserver.Shared(t)
	for _, rule := range parities {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel() // it waits most of the time
			rule.check(t, broker(t, rule.closed))
		})
	}
}

// place is where rules are looked at: a service, and what an operator does to
// its topics.
type place struct {
	t    *testing.T
	url  string
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// early is by how much a delay may fall short. Pulsar counts in steps.
	early time.Duration

	fresh     func() string // an unused name of a topic
	create    func(topic string)
	partition func(topic string, n int)
	terminate func(topic string)
	remove    func(topic string)
	unload    func(topic string)
}

func standIn(t *testing.T, closed bool) *place {
	var opts []pulsartest.Option
	if closed {
		opts = append(opts, pulsartest.NoAutoCreate())
	}
	srv := pulsartest.NewTestServer(t, opts...)
	hand := func(topic string) *pulsartest.Topic {
		h, err := srv.Topic(topic)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	names := 0
	return &place{
		t: t, url: srv.URL(), dial: srv.DialContext,
		fresh:  func() string { names++; return fmt.Sprint("public/default/t", names) },
		create: func(topic string) { hand(topic) },
		partition: func(topic string, n int) {
			if err := hand(topic).SetPartitions(n); err != nil {
				t.Fatal(err)
			}
		},
		terminate: func(topic string) { hand(topic).Terminate() },
		remove:    func(topic string) { hand(topic).Delete() },
		unload:    func(topic string) { hand(topic).Unload() },
	}
}

func broker(t *testing.T, closed bool) *place {
	srv := pulsarserver.Shared(t)
	fresh := srv.Topic
	if closed {
		namespace := srv.Namespace()
		srv.AutoCreate(namespace, false)
		fresh = func() string { return namespace + "/t" }
	}
	return &place{
		t: t, url: srv.URL, dial: new(net.Dialer).DialContext, early: 300 * time.Millisecond,
		fresh: fresh, create: srv.CreateTopic, partition: srv.CreatePartitioned,
		terminate: srv.Terminate, remove: srv.Delete, unload: srv.Unload,
	}
}

// topic makes one.
func (p *place) topic() string {
	name := p.fresh()
	p.create(name)
	return name
}

// consumer is the path of one that begins with the earliest message.
func consumer(topic, sub string, params ...string) string {
	return "/ws/v2/consumer/persistent/" + topic + "/" + sub + "?" + query(append(params, "subscriptionInitialPosition", "Earliest"))
}

// several is the path of a consumer of several topics, over the endpoint v3.
func several(sub, topics string, params ...string) string {
	return "/ws/v3/consumer/" + sub + "?" + query(append(params, "topics", topics, "subscriptionInitialPosition", "Earliest"))
}

func reader(topic string, params ...string) string {
	return "/ws/v2/reader/persistent/" + topic + "?" + query(params)
}

func producer(topic string, params ...string) string {
	return "/ws/v2/producer/persistent/" + topic + "?" + query(params)
}

func query(pairs []string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return q.Encode()
}

// put publishes one message after the other, and returns their ids.
func (p *place) put(topic string, payloads ...string) []string {
	return p.putAs(topic, `"properties":{}`, payloads)
}

func (p *place) putKeyed(topic, key string, payloads ...string) []string {
	return p.putAs(topic, `"key":`+strconv.Quote(key), payloads)
}

// putBatch publishes the messages as one entry.
func (p *place) putBatch(topic string, payloads ...string) []string {
	return p.putAs(topic, `"properties":{}`, payloads, "batchingEnabled", "true",
		"batchingMaxMessages", strconv.Itoa(len(payloads)), "batchingMaxPublishDelay", "10000")
}

func (p *place) putAs(topic, members string, payloads []string, params ...string) []string {
	p.t.Helper()
	w := p.open(producer(topic, params...))
	for i, payload := range payloads {
		w.send(fmt.Sprintf(`{"payload":%q,"context":"%d",%s}`, base64.StdEncoding.EncodeToString([]byte(payload)), i, members))
	}
	ids := make([]string, len(payloads))
	for range payloads {
		f := w.next()
		i, err := strconv.Atoi(f.Context)
		if err != nil || f.Result != "ok" {
			p.t.Fatalf("publish: %s", f.raw)
		}
		ids[i] = f.MessageID
	}
	w.close()
	return ids
}

// wire is a WebSocket to the service that knows nothing of Pulsar but its
// JSON, and answers nothing by itself.
type wire struct {
	t    *testing.T
	ws   *websocket.Conn
	got  chan frame // closed at the end
	over error      // set before that
}

// frame is anything that the service sends.
type frame struct {
	MessageID       string            `json:"messageId"`
	Payload         []byte            `json:"payload"`
	Properties      map[string]string `json:"properties"`
	PublishTime     string            `json:"publishTime"`
	EventTime       string            `json:"eventTime"`
	Key             string            `json:"key"`
	RedeliveryCount int               `json:"redeliveryCount"`
	Result          string            `json:"result"`
	Context         string            `json:"context"`
	raw             string
}

func (p *place) open(path string) *wire {
	p.t.Helper()
	w, status := p.try(path)
	if w == nil {
		p.t.Fatalf("%s: status %d", path, status)
	}
	return w
}

// refused returns the status with which a path is refused; 101 when it is not.
func (p *place) refused(path string) int {
	p.t.Helper()
	w, status := p.try(path)
	if w != nil {
		w.close()
	}
	return status
}

// try dials; the status is 101 when there is a wire.
func (p *place) try(path string) (*wire, int) {
	p.t.Helper()
	transport := &http.Transport{DialContext: p.dial}
	ws, resp, err := websocket.Dial(within(p.t), p.url+path, &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		transport.CloseIdleConnections()
		if resp == nil {
			p.t.Fatalf("%s: %v", path, err)
		}
		return nil, resp.StatusCode
	}
	ws.SetReadLimit(-1)
	w := &wire{t: p.t, ws: ws, got: make(chan frame, 10_000)}
	var reading sync.WaitGroup
	reading.Go(w.read)
	p.t.Cleanup(func() {
		_ = ws.CloseNow()
		reading.Wait()
	})
	return w, http.StatusSwitchingProtocols
}

func (w *wire) read() {
	defer close(w.got)
	for {
		_, data, err := w.ws.Read(context.Background())
		if err != nil {
			w.over = err
			return
		}
		f := frame{raw: string(data)}
		_ = json.Unmarshal(data, &f) // what is no JSON is in raw
		w.got <- f
	}
}

func (w *wire) next() frame {
	w.t.Helper()
	select {
	case f, ok := <-w.got:
		if !ok {
			w.t.Fatalf("the connection ended: %v", w.over)
		}
		return f
	case <-time.After(patience):
		w.t.Fatal("nothing came")
		return frame{}
	}
}

// take wants messages with these payloads next, in this order.
func (w *wire) take(payloads ...string) []frame {
	w.t.Helper()
	var all []frame
	var got []string
	for range payloads {
		f := w.next()
		all, got = append(all, f), append(got, string(f.Payload))
	}
	if !slices.Equal(got, payloads) {
		w.t.Fatalf("got %q, want %q", got, payloads)
	}
	return all
}

// takeAll wants messages with these payloads next, in any order.
func (w *wire) takeAll(payloads ...string) map[string]frame {
	w.t.Helper()
	all := map[string]frame{}
	var got []string
	for range payloads {
		f := w.next()
		all[string(f.Payload)], got = f, append(got, string(f.Payload))
	}
	slices.Sort(got)
	if want := slices.Sorted(slices.Values(payloads)); !slices.Equal(got, want) {
		w.t.Fatalf("got %q, want %q", got, want)
	}
	return all
}

// moment is for how long nothing must come for it to be taken for never.
const moment = 700 * time.Millisecond

// silent wants nothing to come, and the connection to stay.
func (w *wire) silent() {
	w.t.Helper()
	w.silentFor(moment)
}

func (w *wire) silentFor(d time.Duration) {
	w.t.Helper()
	select {
	case f, ok := <-w.got:
		if !ok {
			w.t.Fatalf("the connection ended: %v", w.over)
		}
		w.t.Fatalf("got %s, want nothing", f.raw)
	case <-time.After(max(d, 0)):
	}
}

func (w *wire) send(text string) {
	w.t.Helper()
	if err := w.ws.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wire) ack(f frame)  { w.t.Helper(); w.send(fmt.Sprintf(`{"messageId":%q}`, f.MessageID)) }
func (w *wire) nack(f frame) { w.t.Helper(); w.send(nackText(f.MessageID)) }

func (w *wire) permit(n int) {
	w.t.Helper()
	w.send(fmt.Sprintf(`{"type":"permit","permitMessages":%d}`, n))
}

func nackText(id string) string {
	return fmt.Sprintf(`{"type":"negativeAcknowledge","messageId":%q}`, id)
}

// close ends the connection in good order; the consumer is gone then.
func (w *wire) close() {
	w.t.Helper()
	if err := w.ws.Close(websocket.StatusNormalClosure, ""); err != nil && !strings.Contains(err.Error(), "EOF") {
		w.t.Fatal(err)
	}
}

// ended waits for the end and returns its close code; -1 without a close frame.
func (w *wire) ended() websocket.StatusCode {
	w.t.Helper()
	for {
		select {
		case _, ok := <-w.got:
			if !ok {
				return websocket.CloseStatus(w.over)
			}
		case <-time.After(patience):
			w.t.Fatal("the connection did not end")
		}
	}
}

// series is the numbers from one to another as payloads.
func series(from, to int) (all []string) {
	for i := from; i <= to; i++ {
		all = append(all, strconv.Itoa(i))
	}
	return all
}

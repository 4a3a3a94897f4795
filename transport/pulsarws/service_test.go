package pulsarws

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/eds"
)

var quietly = slog.New(slog.DiscardHandler)

// canary is the token of all tests. No error and no log line may hold it.
const canary = "CANARY-k3y/with+signs=%41\"q\""

const (
	aTopic = "acme/events/orders"
	aSub   = "billing"
)

// service is a scripted Pulsar: what it does with a dial is the test's
// function. It is reached through memory, so that a bubble's time passes.
type service struct {
	t       *testing.T
	ctx     context.Context
	srv     *http.Server
	conns   chan net.Conn
	running sync.WaitGroup
	// answer handles dial n, counted from 1.
	answer answer

	mu    sync.Mutex
	dials []time.Time
	open  int // connections that the client has not closed
	most  int
	asked []*http.Request
}

type answer = func(n int, w http.ResponseWriter, r *http.Request)

func newService(t *testing.T, answer answer) *service {
	ctx, cancel := context.WithCancel(t.Context())
	s := &service{t: t, ctx: ctx, conns: make(chan net.Conn), answer: answer}
	s.srv = &http.Server{Handler: s, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	s.running.Go(func() { s.srv.Serve(&listener{s}) })
	t.Cleanup(func() {
		cancel()
		s.srv.Close()
		s.running.Wait()
	})
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.running.Add(1)
	defer s.running.Done()
	s.mu.Lock()
	s.dials = append(s.dials, time.Now())
	n := len(s.dials)
	s.asked = append(s.asked, r)
	s.mu.Unlock()
	s.answer(n, w, r)
}

func (s *service) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case s.conns <- newKernel(server):
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.ctx.Done():
		return nil, net.ErrClosed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	s.most = max(s.most, s.open)
	return &countedConn{Conn: client, s: s}, nil
}

func (s *service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dials)
}

// gaps returns the pauses between the dials.
func (s *service) gaps() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var d []time.Duration
	for i := 1; i < len(s.dials); i++ {
		d = append(d, s.dials[i].Sub(s.dials[i-1]))
	}
	return d
}

// froms returns the messageId parameter of each dial.
func (s *service) froms() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.asked {
		all = append(all, r.URL.Query().Get("messageId"))
	}
	return all
}

type countedConn struct {
	net.Conn
	s    *service
	once sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(func() {
		c.s.mu.Lock()
		c.s.open--
		c.s.mu.Unlock()
	})
	return c.Conn.Close()
}

type listener struct{ s *service }

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.s.conns:
		return c, nil
	case <-l.s.ctx.Done():
		return nil, net.ErrClosed
	}
}
func (l *listener) Close() error   { return nil }
func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// accept upgrades, and returns after the peer is served by f.
func accept(f func(p *peer)) answer {
	return func(n int, w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer ws.CloseNow()
		ws.SetReadLimit(1 << 22)
		f(&peer{ws: ws, n: n, from: r.URL.Query().Get("messageId")})
	}
}

func refuse(status int, body string) answer {
	return func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// closing upgrades and then closes.
func closing(code int, reason string) answer {
	return accept(func(p *peer) { p.ws.Close(websocket.StatusCode(code), reason) })
}

// peer is the service's side of a connection.
type peer struct {
	ws   *websocket.Conn
	n    int
	from string
}

func (p *peer) send(text string) error {
	return p.ws.Write(context.Background(), websocket.MessageText, []byte(text))
}

// get returns the next message; empty at the end of the connection.
func (p *peer) get() string {
	_, b, err := p.ws.Read(context.Background())
	if err != nil {
		return ""
	}
	return string(b)
}

// rest reads until the client ends the connection, and returns what came.
func (p *peer) rest() (all []string) {
	for {
		m := p.get()
		if m == "" {
			return all
		}
		all = append(all, m)
	}
}

// acks returns the ids that were acknowledged until n or the end.
func (p *peer) acks(n int) (ids []string) {
	for len(ids) < n {
		m := p.get()
		if m == "" {
			return ids
		}
		if r, ok := strings.CutPrefix(m, `{"messageId":"`); ok {
			ids = append(ids, strings.TrimSuffix(r, `"}`))
		}
	}
	return ids
}

// sound keeps the test's connection to the end: it serves pings.
func sound(first ...string) answer {
	return accept(func(p *peer) {
		for _, m := range first {
			p.send(m)
		}
		p.rest()
	})
}

// mid is the id of a message as Pulsar makes it: the protobuf message
// MessageIdData with the fields ledgerId, entryId and batch_size.
func mid(ledger, entry uint64) string {
	b := binary.AppendUvarint([]byte{1 << 3}, ledger)
	b = binary.AppendUvarint(append(b, 2<<3), entry)
	return base64.StdEncoding.EncodeToString(append(b, 6<<3, 0))
}

// at is the id of a message of ledger 7.
func at(entry int) string { return mid(7, uint64(entry)) }

func body(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func envelopeOf(id, payload string) string {
	return fmt.Sprintf(`{"messageId":%q,"payload":%q,"properties":{},"publishTime":"2026-03-20T14:30:00.12Z","redeliveryCount":0}`,
		id, body(payload))
}

func message(entry int) string { return envelopeOf(at(entry), fmt.Sprint("m", entry)) }

func ackOf(id string) string { return `{"messageId":"` + id + `"}` }

func nackOf(id string) string { return `{"type":"negativeAcknowledge","messageId":"` + id + `"}` }

// journal collects log lines.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

// client is a Consumer or a Reader.
type client interface {
	eds.Transport
	eds.StatusReporter
	eds.Validator
	Stats() Stats
}

// maker makes a client of s.
type maker func(s *service, opts ...ReceiverOption) client

// address is what all clients dial; its query is no one's business.
const address = "ws://localhost/base?tenant=t1"

func (s *service) consumer(opts ...ConsumerOption) *Consumer {
	s.t.Helper()
	log := &journal{}
	c := NewConsumer(address, aTopic, aSub, append([]ConsumerOption{
		Token(canary), DialContext(s.DialContext), Logger(log.logger()),
	}, opts...)...)
	s.watch(c, log)
	return c
}

func (s *service) reader(opts ...ReaderOption) *Reader {
	s.t.Helper()
	log := &journal{}
	r := NewReader(address, aTopic, append([]ReaderOption{
		Token(canary), DialContext(s.DialContext), Logger(log.logger()), From(Earliest),
	}, opts...)...)
	s.watch(r, log)
	return r
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// watch checks at the end that the token was told to nobody.
func (s *service) watch(c client, log *journal) {
	s.t.Helper()
	if err := c.Validate(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		c.Close(context.WithoutCancel(s.t.Context()))
		noKey(s.t, "log", log.String())
		if err := c.Status().Err; err != nil {
			noKey(s.t, "Status().Err", fmt.Sprintf("%v %+v %#v", err, err, err))
		}
		noKey(s.t, "client", fmt.Sprintf("%+v %#v", c.Status(), c.Stats()))
	})
}

var makers = map[string]maker{
	"consumer": func(s *service, opts ...ReceiverOption) client {
		var own []ConsumerOption
		for _, o := range opts {
			own = append(own, o)
		}
		return s.consumer(own...)
	},
	"reader": func(s *service, opts ...ReceiverOption) client {
		var own []ReaderOption
		for _, o := range opts {
			own = append(own, o)
		}
		return s.reader(own...)
	},
}

func noKey(t *testing.T, where, text string) {
	t.Helper()
	for _, form := range []string{canary, "CANARY", "tenant=t1"} {
		if strings.Contains(text, form) {
			t.Errorf("%s holds the token or the query:\n%s", where, text)
		}
	}
}

// must receives one delivery.
func must(t testing.TB, c eds.Transport) *eds.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
	defer cancel()
	d, err := c.Receive(ctx)
	if err != nil {
		t.Fatalf("Receive: %v", err)
	}
	return d
}

func ackIt(t testing.TB, c eds.Transport, d *eds.Delivery) {
	t.Helper()
	if err := c.Ack(t.Context(), d); err != nil {
		t.Errorf("Ack(%s): %v", d.Receipt, err)
	}
}

func nackIt(t testing.TB, c eds.Transport, d *eds.Delivery) {
	t.Helper()
	if err := c.Nack(t.Context(), d); err != nil {
		t.Errorf("Nack(%s): %v", d.Receipt, err)
	}
}

// until receives in vain for d.
func until(t testing.TB, c eds.Transport, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	got, err := c.Receive(ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Receive = %+v, %v; want nothing for %v", got, err, d)
	}
}

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// both runs f in a bubble for a Consumer and for a Reader.
func both(t *testing.T, f func(t *testing.T, connect maker)) {
	t.Helper()
	for _, kind := range []string{"consumer", "reader"} {
		t.Run(kind, func(t *testing.T) { bubble(t, func(t *testing.T) { f(t, makers[kind]) }) })
	}
}

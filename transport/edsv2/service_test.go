package edsv2

import (
	"bytes"
	"context"
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

// canary is the key of all tests. No error and no log line may hold it.
const canary = "CANARY-k3y/with+signs=%41\"q\""

// service is a scripted EDS: what it does with a dial is the test's function.
// It is reached through memory, so that a bubble's time passes.
type service struct {
	t       *testing.T
	ctx     context.Context
	srv     *http.Server
	conns   chan net.Conn
	running sync.WaitGroup
	// answer handles dial n, counted from 1.
	answer func(n int, w http.ResponseWriter, r *http.Request)

	mu    sync.Mutex
	dials []time.Time
	open  int // connections that the client has not closed
	most  int
	keys  []string
	urls  []string
}

func newService(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *service {
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
	s.keys = append(s.keys, r.Header.Get("Authorization"))
	s.urls = append(s.urls, r.URL.String())
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
func accept(f func(p *peer)) func(int, http.ResponseWriter, *http.Request) {
	return func(n int, w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer ws.CloseNow()
		ws.SetReadLimit(1 << 20)
		f(&peer{ws: ws, n: n})
	}
}

func refuse(status int, body string) func(int, http.ResponseWriter, *http.Request) {
	return func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// peer is the service's side of a connection.
type peer struct {
	ws *websocket.Conn
	n  int
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

// rest reads until the client ends the connection, and returns how.
func (p *peer) rest() error {
	for {
		if _, _, err := p.ws.Read(context.Background()); err != nil {
			return err
		}
	}
}

// acks answers pings and returns the receipts that were acknowledged until n
// or the end.
func (p *peer) acks(n int) (receipts []string) {
	for len(receipts) < n {
		m := p.get()
		if m == "" {
			return receipts
		}
		if r, ok := strings.CutPrefix(m, `{"frameType":"ACK_EVENT","framePayload":{"receiptId":"`); ok {
			receipts = append(receipts, strings.TrimSuffix(r, `"}}`))
		}
	}
	return receipts
}

func event(id, receipt string) string {
	return fmt.Sprintf(`{"frameType":"EVENT","framePayload":{"eventId":%q,"eventType":"TENANT_ONBOARDED",`+
		`"receiptId":%q,"eventTs":"2026-03-20T14:30:00.000Z","queueName":"my-queue",`+
		`"eventPayload":{"tenantId":"P0001"}}}`, id, receipt)
}

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

// client makes a transport for s, and checks at the end that the key was
// told to nobody else.
func (s *service) client(opts ...Option) *Transport {
	s.t.Helper()
	log := &journal{}
	all := append([]Option{
		APIKey(canary), DialContext(s.DialContext),
		Logger(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
	}, opts...)
	tr := New("ws://localhost/path?tenant=t1", "my-queue", all...)
	if err := tr.Validate(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		tr.Close(context.WithoutCancel(s.t.Context()))
		noKey(s.t, "log", log.String())
		if err := tr.Status().Err; err != nil {
			noKey(s.t, "Status().Err", fmt.Sprintf("%v %+v %#v", err, err, err))
		}
		noKey(s.t, "Transport", fmt.Sprintf("%+v %#v", tr.Status(), tr.Stats()))
	})
	return tr
}

func noKey(t *testing.T, where, text string) {
	t.Helper()
	for _, form := range []string{canary, "CANARY", `CANARY-k3y/with+signs=%41\"q\"`, "tenant=t1"} {
		if strings.Contains(text, form) {
			t.Errorf("%s holds the key or the query:\n%s", where, text)
		}
	}
}

// must receives one delivery.
func must(t *testing.T, tr *Transport) *eds.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	d, err := tr.Receive(ctx)
	if err != nil {
		t.Fatalf("Receive: %v", err)
	}
	return d
}

func ack(t *testing.T, tr *Transport, d *eds.Delivery) {
	t.Helper()
	if err := tr.Ack(t.Context(), d); err != nil {
		t.Fatalf("Ack(%s): %v", d.Receipt, err)
	}
}

// until receives in vain for d.
func until(t *testing.T, tr *Transport, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	got, err := tr.Receive(ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Receive = %+v, %v; want nothing for %v", got, err, d)
	}
}

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// present returns the session that tr has now.
func present(tr *Transport) *session {
	s, _ := tr.link.Session()
	return s
}

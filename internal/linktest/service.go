package linktest

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// URL is what clients dial; its query is no one's business.
const URL = "ws://localhost/base?tenant=t1"

// Service is a scripted service: what it does with a dial is the test's
// function. It is reached through memory, so that a bubble's time passes.
type Service struct {
	T *testing.T
	// URL is for the clients; the constant unless the test changes it.
	URL string
	// Answer handles the dials.
	Answer Answer

	acked   func(text string) (receipt string, ok bool)
	ctx     context.Context
	server  *http.Server
	conns   chan net.Conn
	running sync.WaitGroup

	mu    sync.Mutex
	dials []time.Time
	asked []*http.Request
	open  int // connections that the client has not closed
	most  int
}

// Answer handles dial n, counted from 1.
type Answer = func(n int, w http.ResponseWriter, r *http.Request)

// NewService returns a service that runs to the end of the test. For its peers
// acked reads an acknowledgement; false for all else that a client says.
func NewService(t *testing.T, acked func(text string) (receipt string, ok bool), answer Answer) *Service {
	ctx, cancel := context.WithCancel(t.Context())
	s := &Service{T: t, URL: URL, Answer: answer, acked: acked, ctx: ctx, conns: make(chan net.Conn)}
	s.server = &http.Server{Handler: s, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	s.running.Go(func() { s.server.Serve(&listener{s}) })
	t.Cleanup(func() {
		cancel()
		s.server.Close()
		s.running.Wait()
	})
	return s
}

type serviceKey struct{}

// serviceOf returns the service that a request came to.
func serviceOf(r *http.Request) *Service {
	s, _ := r.Context().Value(serviceKey{}).(*Service)
	return s
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.running.Add(1)
	defer s.running.Done()
	s.mu.Lock()
	s.dials = append(s.dials, time.Now())
	n := len(s.dials)
	s.asked = append(s.asked, r)
	s.mu.Unlock()
	s.Answer(n, w, r.WithContext(context.WithValue(r.Context(), serviceKey{}, s)))
}

// DialContext is for the clients.
func (s *Service) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	if err := s.Connect(ctx, newSocket(far)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	s.most = max(s.most, s.open)
	return &counted{Conn: near, s: s}, nil
}

// Connect hands the service its end of a connection.
func (s *Service) Connect(ctx context.Context, far net.Conn) error {
	select {
	case s.conns <- far:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ctx.Done():
		return net.ErrClosed
	}
}

// Count returns how many dials there were.
func (s *Service) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dials)
}

// Gaps returns the pauses between the dials.
func (s *Service) Gaps() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var d []time.Duration
	for i := 1; i < len(s.dials); i++ {
		d = append(d, s.dials[i].Sub(s.dials[i-1]))
	}
	return d
}

// Asked returns the request of each dial.
func (s *Service) Asked() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// Open returns how many connections the client has not closed, and the most
// that there were at once.
func (s *Service) Open() (now, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open, s.most
}

// counted is the client's end of a connection.
type counted struct {
	net.Conn
	s    *Service
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() {
		c.s.mu.Lock()
		c.s.open--
		c.s.mu.Unlock()
	})
	return c.Conn.Close()
}

type listener struct{ s *Service }

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

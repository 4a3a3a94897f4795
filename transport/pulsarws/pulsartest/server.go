package pulsartest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
)

// ErrClosed is returned by whoever waits for a server that was closed, and by
// DialContext then.
var ErrClosed = errors.New("pulsartest: server closed")

// Server is Pulsar's WebSocket service with the topics behind it. Make one with
// NewServer; its methods may be called from any goroutine. It does nothing by
// itself: there are goroutines only for listeners and for live connections, and
// Close ends them all.
type Server struct {
	conf   config
	closed chan struct{}  // closed by Close
	wg     sync.WaitGroup // of requests, listeners and connections

	mu       sync.Mutex
	shut     bool
	topics   map[string]*topic // by full name; partitions too
	ledgers  int64             // the last that was given to a topic
	named    int               // the last generated name
	seq      int               // of the last record
	conns    int               // the number of the last connection
	history  past
	waiters  []*waiter
	wires    map[*wire]struct{}
	sessions map[*session]struct{} // that are open
	servers  []*http.Server
	address  string
	memory   *pipes
	faults   faults
}

// NewServer returns a server that listens nowhere yet and has no topics.
func NewServer(opts ...Option) *Server {
	conf := defaults()
	for _, opt := range opts {
		if opt != nil {
			opt(&conf)
		}
	}
	return &Server{
		conf:     conf,
		closed:   make(chan struct{}),
		topics:   map[string]*topic{},
		history:  past{limit: conf.retain},
		wires:    map[*wire]struct{}{},
		sessions: map[*session]struct{}{},
	}
}

// ServeHTTP answers /ws/v2 and /ws/v3, each of whose endpoints is a WebSocket.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.shut {
		s.mu.Unlock()
		http.Error(w, "the server is closed", http.StatusServiceUnavailable)
		return
	}
	s.wg.Add(1)
	s.mu.Unlock()
	defer s.wg.Done()
	s.connect(w, r)
}

// Close drops all connections without a close frame, stops listening, and
// waits until its goroutines have ended. What waits for the server gets
// ErrClosed. Closing again does nothing.
func (s *Server) Close() {
	s.mu.Lock()
	if !s.shut {
		s.shut = true
		close(s.closed)
	}
	for w := range s.wires {
		_ = w.Close()
	}
	for _, t := range s.topics {
		t.stop()
	}
	servers := slices.Clone(s.servers)
	s.mu.Unlock()
	for _, server := range servers {
		_ = server.Close()
	}
	s.wg.Wait()
}

// Shutdown closes all connections, with a close frame without a status as
// Pulsar 4.0.8 does when it is stopped,
// waits until they have ended or ctx has, and then does what Close does. The
// error is ctx's cause when it came first.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.Close()
	s.mu.Lock()
	var live []*session
	for c := range s.sessions {
		live = append(live, c)
		c.end(Close(codeNone, ""))
	}
	s.mu.Unlock()
	for _, c := range live {
		select {
		case <-c.gone:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.closed:
			return nil
		}
	}
	return nil
}

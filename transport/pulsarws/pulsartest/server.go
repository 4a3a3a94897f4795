package pulsartest

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// ErrClosed is returned by whoever waits for a server that was closed, and by
// DialContext then.
var ErrClosed = errors.New("pulsartest: server closed")

// Server is Pulsar's WebSocket service with the topics behind it. Make one with
// NewServer; its methods may be called from any goroutine. It does nothing by
// itself: there are goroutines only for listeners and for live connections, and
// Close ends them all.
type Server struct {
	conf    config
	host    *wsserver.Host
	journal *wsserver.Journal[Record]

	mu       sync.Mutex
	topics   map[string]*topic     // by full name; partitions too
	ledgers  int64                 // the last that was given to a topic
	named    int                   // the last generated name
	conns    int                   // the number of the last connection
	sessions map[*session]struct{} // that are open

	// Faults apply in the order in which they were planned, up to the first that
	// leaves nothing to disturb.
	onDial    rules[DialAction]
	onSend    rules[DeliverAction]
	onCommand rules[CommandAction]
}

// NewServer returns a server that listens nowhere yet and has no topics.
func NewServer(opts ...Option) *Server {
	conf := defaults()
	for _, opt := range opts {
		if opt != nil {
			opt(&conf)
		}
	}
	s := &Server{
		conf:     conf,
		topics:   map[string]*topic{},
		sessions: map[*session]struct{}{},
	}
	s.host = wsserver.NewHost("pulsartest", ErrClosed, http.HandlerFunc(s.connect))
	s.journal = wsserver.NewJournal(s.host, &s.mu, conf.retain, conf.onRecord)
	return s
}

// ServeHTTP answers /ws/v2 and /ws/v3, each of whose endpoints is a WebSocket.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.host.ServeHTTP(w, r) }

// Close drops all connections without a close frame, stops listening, and
// waits until its goroutines have ended. What waits for the server gets
// ErrClosed. Closing again does nothing.
func (s *Server) Close() {
	s.host.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.topics {
		t.stop()
	}
}

// Shutdown closes all connections, with a close frame without a status as
// Pulsar 4.0.8 does when it is stopped, waits until they have ended or ctx has,
// and then does what Close does. The error is ctx's cause when it came first.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.Close()
	s.mu.Lock()
	var live []*wsserver.Session
	for c := range s.sessions {
		live = append(live, c.Session)
		c.Break(Close(wsserver.CodeNone, "").how)
	}
	s.mu.Unlock()
	return s.host.Await(ctx, live)
}

package edstest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// Server is an EDS V2 service. Make one with NewServer; its methods may be
// called from any goroutine. It does nothing by itself: there are goroutines
// only for listeners and for live connections, and Close ends them all.
type Server struct {
	conf    config
	names   []string
	host    *wsserver.Host
	journal *wsserver.Journal[Record]

	mu     sync.Mutex
	queues map[string]*queue
	events map[string]*published // by event id
	rand   *rand.Rand
	order  uint64 // of the last message
	conns  int    // the number of the last connection

	onDial    rules[DialAction]
	onSend    map[Outgoing]rules[SendAction]
	onReceive map[Incoming]rules[ReceiveAction]
}

// published is what is known of all messages with one event id.
type published struct {
	messages  int
	open      int // messages that are not acknowledged
	delivered int
}

// NewServer returns a server that listens nowhere yet.
func NewServer(opts ...Option) *Server {
	conf := defaults()
	for _, opt := range opts {
		opt(&conf)
	}
	if len(conf.queues) == 0 {
		conf.queues = []string{DefaultQueue}
	}
	mux := http.NewServeMux()
	s := &Server{
		conf:      conf,
		host:      wsserver.NewHost("edstest", ErrClosed, mux),
		queues:    map[string]*queue{},
		events:    map[string]*published{},
		rand:      rand.New(rand.NewPCG(conf.seed, 0)),
		onSend:    map[Outgoing]rules[SendAction]{},
		onReceive: map[Incoming]rules[ReceiveAction]{},
	}
	s.journal = wsserver.NewJournal(s.host, &s.mu, conf.retain, conf.onRecord)
	for _, name := range conf.queues {
		if s.queues[name] == nil {
			s.names = append(s.names, name)
			q := &queue{s: s, name: name, receipts: map[string]*message{}}
			q.finished = wsserver.Recent[*message]{Limit: conf.retain, Forget: q.forget}
			s.queues[name] = q
		}
	}
	mux.HandleFunc("GET /{$}", s.subscribe)
	mux.HandleFunc("GET /subscribe", s.subscribe)
	mux.HandleFunc("POST /queues/{queue}/events", s.publishRequest)
	return s
}

// ServeHTTP answers "/" and "/subscribe" with the WebSocket of the queue in
// the query, and takes events at POST /queues/{queue}/events; see Publish.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.host.ServeHTTP(w, r) }

// Close drops all connections without a close frame, stops listening, and
// waits until its goroutines have ended. What waits for the server gets
// ErrClosed. Closing again does nothing.
func (s *Server) Close() { s.host.Close() }

// Shutdown closes all connections with 1001, as a service that is redeployed,
// waits until they have ended or ctx has, and then does what Close does. The
// error is ctx's cause when it came first.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.Close()
	s.mu.Lock()
	var live []*wsserver.Session
	for _, q := range s.queues {
		if c := q.live(); c != nil {
			live = append(live, c.Session)
			c.Break(Close(int(websocket.StatusGoingAway), "the server is shutting down").how)
		}
	}
	s.mu.Unlock()
	return s.host.Await(ctx, live)
}

// find returns the queue of that name. The map never changes.
func (s *Server) find(name string) (*queue, error) {
	if q := s.queues[name]; q != nil {
		return q, nil
	}
	return nil, fmt.Errorf("%w %q", ErrUnknownQueue, name)
}

// uuid returns a new random UUID, version 4. The caller holds mu.
func (s *Server) uuid() string {
	hi, lo := s.rand.Uint64(), s.rand.Uint64()
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(0xc0<<56) | 0x80<<56
	var buf [36]byte
	const digits = "0123456789abcdef"
	for i, at := 0, 0; i < 32; i++ {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			buf[at] = '-'
			at++
		}
		half := hi
		if i >= 16 {
			half = lo
		}
		buf[at] = digits[half>>(60-4*(i%16))&0xf]
		at++
	}
	return string(buf[:])
}

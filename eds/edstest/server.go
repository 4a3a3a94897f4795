package edstest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"

	"github.com/coder/websocket"
)

// Server is an EDS V2 service. Make one with NewServer; its methods may be
// called from any goroutine. It does nothing by itself: there are goroutines
// only for listeners and for live connections, and Close ends them all.
type Server struct {
	conf   config
	names  []string
	mux    *http.ServeMux
	closed chan struct{}  // closed by Close
	wg     sync.WaitGroup // of requests and listeners

	mu      sync.Mutex
	shut    bool
	queues  map[string]*queue
	events  map[string]*published // by event id
	rand    *rand.Rand
	order   uint64 // of the last message
	seq     int    // of the last record
	conns   int    // the number of the last connection
	history kept[Record]
	waiters []*waiter
	wires   map[*wire]struct{}
	servers []*http.Server
	address net.Addr
	memory  *memoryListener

	onDial    []rule[DialAction]
	onSend    map[Outgoing][]rule[SendAction]
	onReceive map[Incoming][]rule[ReceiveAction]
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
	s := &Server{
		conf:      conf,
		mux:       http.NewServeMux(),
		closed:    make(chan struct{}),
		queues:    map[string]*queue{},
		events:    map[string]*published{},
		rand:      rand.New(rand.NewPCG(conf.seed, 0)),
		history:   kept[Record]{limit: conf.retain},
		wires:     map[*wire]struct{}{},
		onSend:    map[Outgoing][]rule[SendAction]{},
		onReceive: map[Incoming][]rule[ReceiveAction]{},
	}
	for _, name := range conf.queues {
		if s.queues[name] == nil {
			s.names = append(s.names, name)
			s.queues[name] = &queue{
				s: s, name: name,
				receipts: map[string]*message{},
				finished: kept[*message]{limit: conf.retain},
			}
		}
	}
	s.mux.HandleFunc("GET /{$}", s.subscribe)
	s.mux.HandleFunc("GET /subscribe", s.subscribe)
	s.mux.HandleFunc("POST /queues/{queue}/events", s.publishRequest)
	return s
}

// ServeHTTP answers "/" and "/subscribe" with the WebSocket of the queue in
// the query, and takes events at POST /queues/{queue}/events; see Publish.
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
	s.mux.ServeHTTP(w, r)
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
	servers := slices.Clone(s.servers)
	s.mu.Unlock()
	for _, server := range servers {
		_ = server.Close()
	}
	s.wg.Wait()
}

// Shutdown closes all connections with 1001, as a service that is redeployed,
// waits until they have ended or ctx has, and then does what Close does. The
// error is ctx's cause when it came first.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.Close()
	s.mu.Lock()
	var live []*connection
	for _, q := range s.queues {
		if c := q.live(); c != nil {
			live = append(live, c)
			c.end(Close(int(websocket.StatusGoingAway), "the server is shutting down"))
		}
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

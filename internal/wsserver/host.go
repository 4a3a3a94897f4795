package wsserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
)

// Host is where a stand-in is reached: over TCP, through memory, and as an
// http.Handler. It has goroutines only for listeners and live connections, and
// Close ends them all. Its methods may be called from any goroutine, with mu
// or without, but for those that say that they wait.
type Host struct {
	name    string
	over    error // what those get who use it after Close
	handler http.Handler
	closed  chan struct{}  // closed by Close
	wg      sync.WaitGroup // of requests, connections and listeners

	mu      sync.Mutex
	shut    bool
	wires   map[*wire]struct{}
	servers []*http.Server
	address net.Addr
	memory  *pipes
}

// NewHost returns a host that listens nowhere yet. Errors begin with name; over
// is returned, as it is, by what waits for the host when it is closed.
func NewHost(name string, over error, handler http.Handler) *Host {
	return &Host{
		name: name, over: over, handler: handler,
		closed: make(chan struct{}),
		wires:  map[*wire]struct{}{},
	}
}

// Listen listens on the TCP address, as net.Listen takes it. It may be called
// more than once; Address is the last.
func (h *Host) Listen(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("%s: %w", h.name, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shut {
		_ = listener.Close()
		return h.over
	}
	h.address = listener.Addr()
	h.serve(listener)
	return nil
}

// serve answers requests that come by listener. The caller holds h.mu.
func (h *Host) serve(listener net.Listener) {
	server := &http.Server{
		Handler:  h,
		ErrorLog: log.New(io.Discard, "", 0), // of faults, mostly our own
		// Its Close does not wait for the goroutines of connections, ours does.
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew: // on the goroutine of Serve, which wg counts
				h.wg.Add(1)
			case http.StateClosed, http.StateHijacked: // each comes last
				h.wg.Done()
			default:
			}
		},
	}
	h.servers = append(h.servers, server)
	h.wg.Go(func() { _ = server.Serve(listener) })
}

// Address is HOST:PORT of the last Listen, and without one 127.0.0.1.
func (h *Host) Address() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.address == nil {
		return memoryAddr{}.String()
	}
	return h.address.String()
}

// Dial connects through memory, by a net.Pipe. It waits until the host has
// accepted.
func (h *Host) Dial(ctx context.Context) (net.Conn, error) {
	h.mu.Lock()
	if h.shut {
		h.mu.Unlock()
		return nil, h.over
	}
	if h.memory == nil {
		h.memory = newPipes()
		h.serve(h.memory)
	}
	memory := h.memory
	h.mu.Unlock()
	conn, err := memory.dial(ctx)
	if errors.Is(err, net.ErrClosed) {
		err = h.over
	}
	return conn, err
}

// ServeHTTP hands a request to the handler, unless the host is closed.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	if h.shut {
		h.mu.Unlock()
		http.Error(w, "the server is closed", http.StatusServiceUnavailable)
		return
	}
	h.wg.Add(1)
	h.mu.Unlock()
	defer h.wg.Done()
	h.handler.ServeHTTP(w, r)
}

// Closed tells whether Close was called.
func (h *Host) Closed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.shut
}

// Close drops all connections without a close frame, stops listening, and
// waits until the goroutines of the host have ended. Closing again does nothing
// but wait.
func (h *Host) Close() {
	h.mu.Lock()
	if !h.shut {
		h.shut = true
		close(h.closed)
	}
	for w := range h.wires {
		_ = w.Close()
	}
	servers := slices.Clone(h.servers)
	h.mu.Unlock()
	for _, server := range servers {
		_ = server.Close()
	}
	h.wg.Wait()
}

// Await waits until the clients of the sessions are gone, the host is closed,
// or ctx has ended; then the error is ctx's cause.
func (h *Host) Await(ctx context.Context, sessions []*Session) error {
	for _, s := range sessions {
		select {
		case <-s.gone:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-h.closed:
			return nil
		}
	}
	return nil
}

// adopt puts a wire on conn that Close closes too.
func (h *Host) adopt(conn net.Conn, closing func(code int)) *wire {
	w := newWire(conn, closing)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wires[w] = struct{}{}
	if h.shut {
		_ = w.Close()
	}
	return w
}

// release closes a wire, which may be nil, and forgets it.
func (h *Host) release(w *wire) {
	if w == nil {
		return
	}
	_ = w.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.wires, w)
}

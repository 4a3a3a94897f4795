package edstest

import (
	"bufio"
	"context"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// refusal is why a client may not do what it asked for.
type refusal struct {
	status int // of HTTP
	code   int // of the close frame that says the same; 0 for none
	text   string
}

// authorize checks the API key.
func (s *Server) authorize(r *http.Request) *refusal {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "api-key ")
	switch {
	case !ok:
		return &refusal{http.StatusUnauthorized, 4401, "no API key: send Authorization: api-key KEY"}
	case subtle.ConstantTimeCompare([]byte(key), []byte(s.conf.key)) == 0:
		return &refusal{http.StatusForbidden, 4403, "the API key is wrong or may not subscribe"}
	}
	return nil
}

// subscribe serves one WebSocket from its upgrade to its end.
func (s *Server) subscribe(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("queue")
	if s.disturbDial(w, r, name) {
		return
	}
	c, refused := s.admit(r, name)
	if refused != nil {
		s.refuse(w, r, name, refused)
		return
	}
	ws, wire, err := s.accept(w, r, c.begin, c.closing)
	if err != nil {
		c.abandon(err)
		return
	}
	defer s.forget(wire)
	c.serve(ws, wire)
}

// admit reserves the queue for a new connection, or says why not. The
// reservation comes before the upgrade, so that of two dials one gets a 409.
func (s *Server) admit(r *http.Request, name string) (*connection, *refusal) {
	if refused := s.authorize(r); refused != nil {
		return nil, refused
	}
	if name == "" {
		return nil, &refusal{http.StatusBadRequest, 0, "the query names no queue"}
	}
	q, err := s.find(name)
	if err != nil {
		return nil, &refusal{http.StatusNotFound, 0, err.Error()}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.conn != nil || time.Now().Before(q.taken) {
		return nil, &refusal{http.StatusConflict, 4409, "the queue has a subscription already"}
	}
	q.conn = &connection{s: s, q: q, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	return q.conn, nil
}

// refuse answers a dial that is not admitted.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, name string, why *refusal) {
	code := why.status
	if s.conf.refuseByClose && why.code != 0 {
		code = why.code
	}
	s.mu.Lock()
	s.record(Record{Op: OpRefuse, Queue: name, Code: code, Detail: why.text})
	s.mu.Unlock()
	if code == why.status {
		http.Error(w, why.text, why.status)
		return
	}
	s.acceptAndClose(w, r, code, why.text)
}

// acceptAndClose upgrades only to close.
func (s *Server) acceptAndClose(w http.ResponseWriter, r *http.Request, code int, reason string) {
	ws, wire, err := s.accept(w, r, func() {}, func(int) {})
	if err != nil {
		return // the library has answered
	}
	defer s.forget(wire)
	_ = ws.Close(websocket.StatusCode(code), reason)
}

// accept upgrades a request, with our wire below the WebSocket. begin is
// called before the client hears that it is connected, closing before a close
// frame leaves.
func (s *Server) accept(w http.ResponseWriter, r *http.Request, begin func(), closing func(code int)) (*websocket.Conn, *wire, error) {
	up := &upgrade{ResponseWriter: w, s: s, begin: begin, closing: closing}
	ws, err := websocket.Accept(up, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // EDS publishes no origin rule
	})
	return ws, up.wire, err
}

// upgrade is a ResponseWriter that puts a wire below what is hijacked.
type upgrade struct {
	http.ResponseWriter
	s       *Server
	begin   func()
	closing func(code int)
	wire    *wire
}

// WriteHeader sees that the library is content with the request; what it
// writes here goes out with Hijack.
func (u *upgrade) WriteHeader(status int) {
	if status == http.StatusSwitchingProtocols {
		u.begin()
	}
	u.ResponseWriter.WriteHeader(status)
}

// Hijack implements http.Hijacker. The library writes through the returned
// bufio.Writer, so that must lead to the wire too.
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	u.wire = newWire(conn, u.closing)
	u.s.adopt(u.wire)
	return u.wire, bufio.NewReadWriter(rw.Reader, bufio.NewWriter(u.wire)), nil
}

// adopt has Close close w too.
func (s *Server) adopt(w *wire) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wires[w] = struct{}{}
	if s.shut {
		_ = w.Close()
	}
}

func (s *Server) forget(w *wire) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = w.Close()
	delete(s.wires, w)
}

// pause waits for d, or until the request or the server ends; false then.
func (s *Server) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-s.closed:
	}
	return false
}

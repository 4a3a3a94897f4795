package edstest

import (
	"crypto/subtle"
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
	c.Serve(s.host, w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // EDS publishes no origin rule
	})
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
	q.conn = newConnection(s, q)
	q.conn.client = r.RemoteAddr
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
	s.host.AcceptAndClose(w, r, code, why.text)
}

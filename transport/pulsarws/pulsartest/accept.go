package pulsartest

import (
	"bufio"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// headerLimit is how many bytes the request line and the headers may have
// (httpMaxRequestHeaderSize).
const headerLimit = 8 << 10

// connect serves one WebSocket from its upgrade to its end.
func (s *Server) connect(w http.ResponseWriter, r *http.Request) {
	t, refused := parsePath(r.RequestURI)
	name := t.topic
	if s.disturbDial(w, r, Moment{Topic: name, Subscription: t.subscription}) {
		return
	}
	// Not r.URL.Query: a broken pair must not take the others with it.
	q, _ := url.ParseQuery(r.URL.RawQuery)
	for _, check := range []func() *refusal{
		func() *refusal { return checkSize(r) },
		func() *refusal { return s.authenticate(r, q) },
		func() *refusal { return checkUpgrade(r) },
	} {
		if refused == nil {
			refused = check()
		}
	}
	var c *session
	if refused == nil {
		c, refused = s.admit(t, q)
	}
	if refused != nil {
		s.refuse(w, t, refused)
		return
	}
	ws, wire, err := s.accept(w, r, c)
	if err != nil {
		c.release(codeAbnormal, err.Error())
		return
	}
	defer s.forget(wire)
	c.serve(ws, wire)
}

func checkSize(r *http.Request) *refusal {
	size := len(r.RequestURI)
	if size > headerLimit {
		return &refusal{http.StatusRequestURITooLong, "URI Too Long"}
	}
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + len(": \r\n")
		}
	}
	if size > headerLimit {
		return &refusal{http.StatusRequestHeaderFieldsTooLarge, "Request Header Fields Too Large"}
	}
	return nil
}

// checkUpgrade refuses what is no WebSocket's beginning.
func checkUpgrade(r *http.Request) *refusal {
	if r.Method != http.MethodGet || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return &refusal{http.StatusMethodNotAllowed, "HTTP method GET is not supported by this URL"}
	}
	return nil
}

func (s *Server) refuse(w http.ResponseWriter, t target, why *refusal) {
	s.mu.Lock()
	s.record(Record{Op: OpRefuse, Topic: t.topic, Subscription: t.subscription, Code: why.status, Detail: why.text})
	s.mu.Unlock()
	http.Error(w, why.text, why.status)
}

// admit makes what the client asks for, or says why not. That comes before the
// upgrade, as in the service: who is connected is subscribed.
func (s *Server) admit(t target, q url.Values) (*session, *refusal) {
	c := &session{
		s: s, target: t,
		wake: make(chan struct{}, 1), gone: make(chan struct{}),
		delivered: map[string]delivery{},
	}
	switch t.end {
	case consumerEnd:
		return c, s.admitConsumer(c, q)
	case readerEnd:
		return c, s.admitReader(c, q)
	}
	return c, s.admitProducer(c, q)
}

// accept upgrades a request, with our wire below the WebSocket.
func (s *Server) accept(w http.ResponseWriter, r *http.Request, c *session) (*websocket.Conn, *wire, error) {
	up := &upgrade{ResponseWriter: w, c: c}
	ws, err := websocket.Accept(up, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // the service has no origin rule
		// Accepted, and made use of by the client alone.
		CompressionMode: websocket.CompressionNoContextTakeover,
	})
	return ws, up.wire, err
}

// upgrade is a ResponseWriter that puts a wire below what is hijacked.
type upgrade struct {
	http.ResponseWriter
	c    *session
	wire *wire
}

// WriteHeader sees that the library is content with the request; what it
// writes here goes out with Hijack.
func (u *upgrade) WriteHeader(status int) {
	if status == http.StatusSwitchingProtocols {
		u.c.begin()
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
	u.wire = newWire(conn, u.c.closing)
	u.c.s.adopt(u.wire)
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
	_ = w.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.wires, w)
}

// begin opens the session, while the client cannot know of it yet: whoever has
// dialed finds the server connected.
func (c *session) begin() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.open = true
	c.began = time.Now()
	c.s.sessions[c] = struct{}{}
	c.s.record(c.note(Record{Op: OpConnect, Detail: string(c.target.end)}))
	if c.target.end != producerEnd && !c.pull {
		c.ask(1)
	}
}

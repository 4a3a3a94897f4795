package pulsartest

import (
	"net/http"
	"net/url"
	"strings"

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
	c.Serve(s.host, w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // the service has no origin rule
		// Accepted, and made use of by the client alone.
		CompressionMode: websocket.CompressionNoContextTakeover,
	})
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
	c := newSession(s, t)
	switch t.end {
	case consumerEnd:
		return c, s.admitConsumer(c, q)
	case readerEnd:
		return c, s.admitReader(c, q)
	}
	return c, s.admitProducer(c, q)
}

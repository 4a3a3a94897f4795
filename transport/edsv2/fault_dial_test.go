package edsv2

// fake time: TestFault runs each fault in a bubble

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/wslink"
)

var dialFaults = []fault{
	{"A1", func(t *testing.T) { refusedKey(t, refuse(401, "no key: "+canary), 401) }},
	{"A2", func(t *testing.T) { refusedKey(t, refuse(403, "wrong key "+canary), 403) }},
	{"A3", func(t *testing.T) { refusedKey(t, closing(4401, "bad key "+canary), 4401) }},
	{"A3/4403", func(t *testing.T) { refusedKey(t, closing(4403, "bad key"), 4403) }},
	{"A4", func(t *testing.T) { standby(t, refuse(409, "held"), 0) }},
	{"A5", func(t *testing.T) { standby(t, closing(4409, "held"), 0) }},
	{"A5/late", func(t *testing.T) {
		standby(t, accept(func(p *peer) {
			time.Sleep(900 * time.Millisecond)
			p.ws.Close(4409, "held")
		}), 900*time.Millisecond)
	}},
	{"A5/silent", func(t *testing.T) {
		s := newService(t, nil)
		s.answer = func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				refuse(409, "")(n, w, r)
				return
			}
			accept(func(p *peer) { p.rest() })(n, w, r)
		}
		tr := s.client()
		until(t, tr, 5*time.Second)
		if st := tr.Status(); st.State != eds.Standby || st.Connects != 1 {
			t.Errorf("%+v", st)
		}
		until(t, tr, 10*time.Second)
		if st := tr.Status(); st.State != eds.Connected {
			t.Errorf("%+v", st)
		}
	}},
	{"A6", testOwnStaleConnection},
	{"A7", testRotatedKey},
	{"A8", testRetryAfter},
	{"A9", testGatewayErrors},
	{"A10", testWrongSetting},
	{"A11", func(t *testing.T) {
		dialErrors(t, &net.DNSError{Err: "no such host", Name: "eds.example", IsNotFound: true}, "no such host")
	}},
	{"A11/telltale", func(t *testing.T) { // the key in an error is found by the client's checks
		dialErrors(t, fmt.Errorf("odd proxy: header %q\nrefused", "api-key "+canary), "odd proxy")
	}},
	{"A12", testBlackHole},
	{"A13", testUntrustedCertificate},
	{"A14", testNoAnswer},
	{"A15", testRedirect},
	{"A16", testBadHandshake},
	{"A18", testAcceptThenClose},
	{"A20", testQueueNames},
	{"A21", testProxy},
	{"E7", testStopWhileConnecting},
	{"E9", testNoDialAfterClose},
}

// closing upgrades and then closes.
func closing(code int, reason string) func(int, http.ResponseWriter, *http.Request) {
	return accept(func(p *peer) { p.ws.Close(websocket.StatusCode(code), reason) })
}

func refusedKey(t *testing.T, answer func(int, http.ResponseWriter, *http.Request), code int) {
	s := newService(t, answer)
	tr := s.client()
	for range 2 {
		_, err := tr.Receive(t.Context())
		ae, ok := errors.AsType[*eds.AuthError](err)
		if !ok || ae.Code != code || !strings.HasPrefix(ae.Reason, `"`) {
			t.Fatalf("Receive = %v", err)
		}
		noKey(t, "error", fmt.Sprintf("%v %#v %#v", err, err, *ae))
		time.Sleep(time.Hour)
	}
	if n := s.count(); n != 1 {
		t.Errorf("%d dials", n)
	}
	if st := tr.Status(); st.State != eds.Refused || st.Err == nil {
		t.Errorf("status = %+v", st)
	}
}

// standby has the queue held for twelve minutes; each refusal takes so long.
func standby(t *testing.T, answer func(int, http.ResponseWriter, *http.Request), takes time.Duration) {
	const lasts = 12 * time.Minute
	start := time.Now()
	serve := accept(func(p *peer) {
		p.send(event("e1", "r1"))
		p.rest()
	})
	s := newService(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if time.Since(start) < lasts {
			answer(n, w, r)
			return
		}
		serve(n, w, r)
	})
	tr := s.client(Backoff(time.Minute, time.Hour))
	until(t, tr, 3500*time.Millisecond)
	if st := tr.Status(); st.State != eds.Standby {
		t.Errorf("state = %v", st.State)
	}
	if d := must(t, tr); d.Event.ID != "e1" {
		t.Errorf("%+v", d)
	}
	gaps := s.gaps()
	for i, g := range gaps {
		g -= takes
		switch {
		case i < 3 && (g < 900*time.Millisecond || g > 1300*time.Millisecond):
			t.Errorf("gap %d is %v, want about 1 s", i, g)
		case g > 31*time.Second || i > 15 && g < 14*time.Second:
			t.Errorf("gap %d is %v, want 15 to 30 s", i, g)
		}
	}
	if len(gaps) < 20 {
		t.Errorf("only %d tries", len(gaps))
	}
	if st := tr.Status(); st.State != eds.Connected {
		t.Errorf("state = %v", st.State)
	}
}

// The connection broke without the service's noticing: for ten minutes this
// client is in its own way.
func testOwnStaleConnection(t *testing.T) {
	start := time.Now()
	s := newService(t, nil)
	s.answer = func(n int, w http.ResponseWriter, r *http.Request) {
		switch {
		case n == 1:
			accept(func(p *peer) { <-t.Context().Done() })(n, w, r) // mute
		case time.Since(start) < 15*time.Minute:
			refuse(409, "")(n, w, r)
		default:
			accept(func(p *peer) { p.send(event("e1", "r1")); p.rest() })(n, w, r)
		}
	}
	tr := s.client()
	if d := must(t, tr); d.Event.ID != "e1" {
		t.Errorf("%+v", d)
	}
	if late := time.Since(start) - 15*time.Minute; late > 31*time.Second {
		t.Errorf("taken up %v after the queue was free", late)
	}
}

func testRotatedKey(t *testing.T) {
	var mu sync.Mutex
	key, asked := "old-key", 0
	s := newService(t, nil)
	s.answer = func(n int, w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "api-key new-key" {
			mu.Lock()
			key = "new-key" // somebody mends it just now
			mu.Unlock()
			refuse(401, "old-key is no good")(n, w, r)
			return
		}
		accept(func(p *peer) { p.send(event("e1", "r1")); p.get(); p.ws.Close(4401, "") })(n, w, r)
	}
	tr := s.client(APIKeyFunc(func(context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if asked++; asked == 1 {
			return "", errors.New("vault is down")
		}
		return key, nil
	}))
	d := must(t, tr)
	ack(t, tr, d)
	if n := s.count(); n != 2 {
		t.Errorf("%d dials", n)
	}
	// The same key is refused, and there is no other.
	_, err := tr.Receive(t.Context())
	if _, ok := errors.AsType[*eds.AuthError](err); !ok {
		t.Errorf("Receive = %v", err)
	}
	if n := s.count(); n != 2 {
		t.Errorf("%d dials", n)
	}
}

func testRetryAfter(t *testing.T) {
	for _, c := range []struct {
		status   int
		header   string
		min, max time.Duration
	}{
		{429, "20", 20 * time.Second, 20 * time.Second},
		{503, "20", 20 * time.Second, 20 * time.Second},
		{503, "99999999999999999999", 5 * time.Minute, 5 * time.Minute},
		{503, "-5", 0, 2 * time.Second},
		{503, "soon", 0, 2 * time.Second},
		{500, "20", 0, 2 * time.Second},
	} {
		s := newService(t, nil)
		s.answer = func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				w.Header().Set("Retry-After", c.header)
				refuse(c.status, "")(n, w, r)
				return
			}
			accept(func(p *peer) { p.send(event("e1", "r1")); p.rest() })(n, w, r)
		}
		must(t, s.client())
		if g := s.gaps()[0]; g < c.min || g > c.max {
			t.Errorf("%d, Retry-After %q: tried again after %v", c.status, c.header, g)
		}
	}
}

func testGatewayErrors(t *testing.T) {
	for status := 400; status < 600; status++ {
		want := wslink.Transient
		switch {
		case status == 401 || status == 403:
			want = wslink.BadKey
		case status == 409:
			want = wslink.Held
		case status < 500 && status != 408 && status != 425 && status != 429:
			want = wslink.BadSetting
		}
		if got := judge(&wslink.Ending{Status: status}); got != want {
			t.Errorf("%d: class %d, want %d", status, got, want)
		}
	}
	s := newService(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n <= 4 {
			refuse([]int{500, 502, 504, 599}[n-1], "<html>"+canary)(n, w, r)
			return
		}
		accept(func(p *peer) { p.send(event("e1", "r1")); p.rest() })(n, w, r)
	})
	must(t, s.client())
}

func testWrongSetting(t *testing.T) {
	for _, status := range []int{400, 404, 410} {
		s := newService(t, refuse(status, "no such queue "+canary))
		tr := s.client()
		_, err := tr.Receive(t.Context())
		ce, ok := errors.AsType[*eds.ConfigError](err)
		if !ok || ce.Value != "ws://localhost/path" || !strings.Contains(ce.Reason, fmt.Sprint(status)) {
			t.Errorf("Receive = %v", err)
		}
		noKey(t, "error", fmt.Sprintf("%v %#v", err, ce))
		time.Sleep(time.Hour)
		if n := s.count(); n != 1 {
			t.Errorf("%d dials", n)
		}
	}
}

// dialErrors has the first three dials fail.
func dialErrors(t *testing.T, err error, text string) {
	s := newService(t, accept(func(p *peer) { p.send(event("e1", "r1")); p.rest() }))
	n := 0
	tr := s.client(DialContext(func(ctx context.Context, network, addr string) (net.Conn, error) {
		if n++; n <= 3 {
			return nil, err
		}
		return s.DialContext(ctx, network, addr)
	}))
	must(t, tr)
	if n != 4 {
		t.Errorf("%d dials", n)
	}
	if st := tr.Status(); st.Err == nil || !strings.Contains(st.Err.Error(), text) {
		t.Errorf("status = %+v", st)
	}
}

func testBlackHole(t *testing.T) {
	n := 0
	s := newService(t, accept(func(p *peer) { p.send(event("e1", "r1")); p.rest() }))
	tr := s.client(DialContext(func(ctx context.Context, network, addr string) (net.Conn, error) {
		if n++; n == 1 {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return s.DialContext(ctx, network, addr)
	}))
	start := time.Now()
	must(t, tr)
	if d := time.Since(start); d < 10*time.Second || d > 11*time.Second {
		t.Errorf("connected after %v, want a little over the dial time-out", d)
	}
}

func testNoAnswer(t *testing.T) {
	s := newService(t, nil)
	s.answer = func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 1 {
			<-r.Context().Done() // the client gives up
			return
		}
		accept(func(p *peer) { p.send(event("e1", "r1")); p.rest() })(n, w, r)
	}
	start := time.Now()
	must(t, s.client(DialTimeout(7*time.Second)))
	if d := time.Since(start); d < 7*time.Second || d > 8*time.Second {
		t.Errorf("connected after %v", d)
	}
}

// testUntrustedCertificate also runs the whole way over TLS.
func testUntrustedCertificate(t *testing.T) {
	// Its certificate is good for example.com.
	issuer := httptest.NewUnstartedServer(nil)
	issuer.StartTLS()
	cert := issuer.TLS.Certificates[0]
	roots := issuer.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	issuer.Close()

	s := newService(t, accept(func(p *peer) {
		p.send(event("e1", "r1"))
		p.acks(1)
		p.send(event("e2", "r2"))
		p.rest()
	}))
	serveTLS := func(ctx context.Context, network, addr string) (net.Conn, error) {
		near, far := net.Pipe()
		select {
		case s.conns <- tls.Server(far, &tls.Config{Certificates: []tls.Certificate{cert}}):
			return near, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	client := func(host string) *Transport {
		return New("wss://"+host, "my-queue", APIKey(canary), DialContext(serveTLS),
			HTTPClient(&http.Client{Transport: &http.Transport{
				DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots,
					Time: func() time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) }}}}))
	}
	bad := client("wrong.example")
	until(t, bad, 5*time.Minute)
	if err := bad.Status().Err; err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("err = %v", err)
	}
	if n := s.count(); n != 0 {
		t.Errorf("%d requests to a server that is not trusted", n)
	}
	bad.Close(t.Context())

	good := client("example.com")
	defer good.Close(t.Context())
	d := must(t, good)
	until(t, good, 30*time.Second) // interrupted and resumed above TLS
	ack(t, good, d)
	if d := must(t, good); d.Event.ID != "e2" {
		t.Errorf("%+v", d)
	}
}

func testRedirect(t *testing.T) {
	elsewhere := newService(t, refuse(500, ""))
	s := newService(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n <= 2 {
			http.Redirect(w, r, "http://thief.example/?stolen="+url.QueryEscape(r.Header.Get("Authorization")), 307)
			return
		}
		accept(func(p *peer) { p.send(event("e1", "r1")); p.rest() })(n, w, r)
	})
	tr := s.client(DialContext(func(ctx context.Context, network, addr string) (net.Conn, error) {
		if strings.HasPrefix(addr, "thief") {
			return elsewhere.DialContext(ctx, network, addr)
		}
		return s.DialContext(ctx, network, addr)
	}))
	must(t, tr)
	if elsewhere.count() != 0 {
		t.Error("followed a redirect with the key")
	}
	if err := tr.Status().Err; err == nil || !strings.Contains(err.Error(), "thief.example") ||
		strings.Contains(err.Error(), "stolen") {
		t.Errorf("err = %v", err)
	}
}

func testBadHandshake(t *testing.T) {
	for name, header := range map[string]http.Header{
		"accept":      {"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Accept": {"wrong"}},
		"extension":   {"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Extensions": {"x-foo"}},
		"subprotocol": {"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Protocol": {"x-foo"}},
	} {
		s := newService(t, func(n int, w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Sec-WebSocket-Extensions") != "" {
				t.Error("B9: compression offered")
			}
			if n == 1 {
				maps.Copy(w.Header(), header)
				w.WriteHeader(101)
				return
			}
			accept(func(p *peer) { p.send(event("e1", "r1")); p.rest() })(n, w, r)
		})
		if d := must(t, s.client()); d.Event.ID != "e1" {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// The pauses grow, although each dial succeeds; only an acknowledged event has
// them start anew.
func testAcceptThenClose(t *testing.T) {
	s := newService(t, nil)
	s.answer = func(n int, w http.ResponseWriter, r *http.Request) {
		accept(func(p *peer) {
			if n == 20 {
				p.send(event("e1", "r1"))
				p.acks(1)
			}
			p.ws.Close(websocket.StatusNormalClosure, "")
		})(n, w, r)
	}
	tr := s.client(Backoff(time.Second, 32*time.Second))
	var gaps []time.Duration
	d := must(t, tr)
	gaps = s.gaps()
	var sum time.Duration
	for i, g := range gaps {
		if limit := time.Second << min(i, 5); g > limit+time.Millisecond {
			t.Errorf("gap %d is %v, above %v", i, g, limit)
		}
		if g < 100*time.Millisecond {
			t.Errorf("gap %d is %v", i, g)
		}
		sum += g
	}
	// 19 gaps with a mean of about 13 s.
	if sum < time.Minute {
		t.Errorf("%d dials within %v", len(gaps)+1, sum)
	}
	ack(t, tr, d)
	until(t, tr, 100*time.Second)
	if after := s.gaps()[len(gaps):]; len(after) < 3 || after[0] > time.Second+time.Millisecond {
		t.Errorf("after an acknowledged event: %v", after)
	}
}

func testQueueNames(t *testing.T) {
	for _, queue := range []string{"a&b=c", "with space", "a/b?c#d", "üñí", "100%", "+", `"'<>`} {
		got := make(chan string, 1)
		s := newService(t, func(n int, w http.ResponseWriter, r *http.Request) {
			got <- r.URL.Query().Get("queue")
			accept(func(p *peer) { p.send(strings.ReplaceAll(event("e1", "r1"), `"my-queue"`, `null`)); p.rest() })(n, w, r)
		})
		tr := New("ws://127.0.0.1:80/subscribe?queue=other&x=%26", queue, APIKey(canary), DialContext(s.DialContext))
		d := must(t, tr)
		if q := <-got; q != queue {
			t.Errorf("queue %q subscribed to %q", queue, q)
		}
		if s.urls[0] != "/subscribe?"+(url.Values{"queue": {queue}, "x": {"&"}}).Encode() {
			t.Errorf("url = %q", s.urls[0])
		}
		if want := "eds://127.0.0.1:80/" + url.PathEscape(queue); d.Event.Source != want || d.Event.Queue != queue {
			t.Errorf("event = %+v", d.Event)
		}
		if _, err := url.Parse(d.Event.Source); err != nil {
			t.Error(err)
		}
		tr.Close(t.Context())
	}
}

func testProxy(t *testing.T) {
	s := newService(t, refuse(407, "proxy wants a password"))
	tr := New("ws://localhost", "my-queue", APIKey(canary), DialContext(s.DialContext),
		HTTPClient(&http.Client{Transport: &http.Transport{
			DisableKeepAlives: true,
			Proxy:             http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example:3128"}),
		}}))
	defer tr.Close(t.Context())
	_, err := tr.Receive(t.Context())
	if ce, ok := errors.AsType[*eds.ConfigError](err); !ok || !strings.Contains(ce.Reason, "407") {
		t.Errorf("Receive = %v", err)
	}

	// The same for a tunnel.
	tr = New("wss://eds.example", "my-queue", APIKey(canary), DialContext(s.DialContext))
	defer tr.Close(t.Context())
	tr.link.Client.Transport.(*http.Transport).Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example:3128"})
	_, err = tr.Receive(t.Context())
	if ce, ok := errors.AsType[*eds.ConfigError](err); !ok || !strings.Contains(ce.Reason, "407") {
		t.Errorf("Receive = %v", err)
	}
	for _, key := range s.keys[1:] {
		if key != "" {
			t.Error("the proxy was told the key")
		}
	}
}

func testStopWhileConnecting(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	for name, answer := range map[string]func(int, http.ResponseWriter, *http.Request){
		"handshake": func(int, http.ResponseWriter, *http.Request) { <-hang },
		"pause":     refuse(503, ""),
		"standby":   refuse(409, ""),
	} {
		s := newService(t, answer)
		tr := s.client(Backoff(time.Hour, time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second+time.Millisecond)
		start := time.Now()
		_, err := tr.Receive(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5100*time.Millisecond {
			t.Errorf("%s: Receive = %v after %v", name, err, time.Since(start))
		}
		tr.Close(t.Context())
		if time.Since(start) > 5100*time.Millisecond {
			t.Errorf("%s: Close took until %v", name, time.Since(start))
		}
	}
}

func testNoDialAfterClose(t *testing.T) {
	s := newService(t, accept(func(p *peer) { p.rest() }))
	tr := s.client()
	until(t, tr, time.Second)
	tr.Close(t.Context())
	tr.Close(t.Context())
	if _, err := tr.Receive(t.Context()); err == nil {
		t.Error("Receive after Close")
	}
	if n := s.count(); n != 1 {
		t.Errorf("%d dials", n)
	}
	if st := tr.Status(); st.State != eds.Closed {
		t.Errorf("status = %+v", st)
	}

	// Close while a dial is under way.
	s = newService(t, func(n int, w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Second)
		accept(func(p *peer) { p.rest() })(n, w, r)
	})
	tr = s.client()
	var running sync.WaitGroup
	running.Go(func() {
		if d, err := tr.Receive(t.Context()); err == nil {
			t.Errorf("Receive = %+v", d)
		}
	})
	time.Sleep(500 * time.Millisecond)
	tr.Close(t.Context())
	running.Wait()
	if s.open != 0 {
		t.Error("a connection was left open")
	}
}

type otherTransport struct{ http.RoundTripper }

// A program may have put a transport of its own in the place of the default.
func TestReplacedDefaultTransport(t *testing.T) {
	before := http.DefaultTransport
	http.DefaultTransport = otherTransport{before}
	defer func() { http.DefaultTransport = before }()
	bubble(t, func(t *testing.T) {
		s := newService(t, accept(func(p *peer) { p.send(event("e1", "r1")); p.rest() }))
		if d := must(t, s.client()); d.Event.ID != "e1" {
			t.Errorf("%+v", d)
		}
	})
}

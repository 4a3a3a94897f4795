package pulsarws

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
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/wslink"
)

var dialFaults = []fault{
	{"A1", func(t *testing.T, connect maker) { refusedToken(t, connect, 401) }},
	{"A2", func(t *testing.T, connect maker) { refusedToken(t, connect, 403) }},
	{"A4", testStandby},
	{"A6", testOwnStaleConnection},
	{"A7", testRotatedToken},
	{"A7/once", testTokenRotatedInVain},
	{"A8", testRetryAfter},
	{"A9", testGatewayErrors},
	{"A10", testWrongSetting},
	{"A10/404", testTopicGone},
	{"A10/500", testServerErrorForEver},
	{"A11", func(t *testing.T, connect maker) {
		dialErrors(t, connect, &net.DNSError{Err: "no such host", Name: "pulsar.example", IsNotFound: true}, "no such host")
	}},
	{"A11/telltale", func(t *testing.T, connect maker) { // the token in an error is found by the client's checks
		dialErrors(t, connect, fmt.Errorf("odd proxy: header %q\nrefused", "Bearer "+canary), "odd proxy")
	}},
	{"A12", testBlackHole},
	{"A13", testUntrustedCertificate},
	{"A14", testNoAnswer},
	{"A15", testRedirect},
	{"A16", testBadHandshake},
	{"A18", testAcceptThenClose},
	{"A20", testNamesOnTheWire},
	{"A21", testProxy},
	{"E7", testStopWhileConnecting},
	{"E9", testNoDialAfterClose},
}

// refusedToken has a token refused that does not change: once is enough.
func refusedToken(t *testing.T, connect maker, status int) {
	s := newService(t, refuse(status, "<html>wrong token "+canary))
	c := connect(s)
	for range 2 {
		_, err := c.Receive(t.Context())
		ae, ok := errors.AsType[*eds.AuthError](err)
		if !ok || ae.Code != status || !strings.HasPrefix(ae.Reason, `"`) {
			t.Fatalf("Receive = %v", err)
		}
		noKey(t, "error", fmt.Sprintf("%v %#v %#v", err, err, *ae))
		time.Sleep(time.Hour)
	}
	if n := s.count(); n != 1 {
		t.Errorf("%d dials", n)
	}
	if st := c.Status(); st.State != eds.Refused || st.Err == nil {
		t.Errorf("status = %+v", st)
	}
}

// testStandby has the subscription held for twelve minutes.
func testStandby(t *testing.T, connect maker) {
	const lasts = 12 * time.Minute
	start := time.Now()
	s := newService(t, nil)
	s.answer = func(n int, w http.ResponseWriter, r *http.Request) {
		if time.Since(start) < lasts {
			refuse(409, "Exclusive consumer is already connected")(n, w, r)
			return
		}
		sound(message(1))(n, w, r)
	}
	c := connect(s, Backoff(time.Minute, time.Hour))
	until(t, c, 3500*time.Millisecond)
	if st := c.Status(); st.State != eds.Standby {
		t.Errorf("state = %v", st.State)
	}
	if d := must(t, c); d.Receipt != at(1) {
		t.Errorf("%+v", d)
	}
	gaps := s.gaps()
	for i, g := range gaps {
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
	if st := c.Status(); st.State != eds.Connected {
		t.Errorf("state = %v", st.State)
	}
}

// The connection broke without the service's noticing: until its idle time-out
// this client is in its own way.
func testOwnStaleConnection(t *testing.T, connect maker) {
	start := time.Now()
	s := newService(t, nil)
	s.answer = func(n int, w http.ResponseWriter, r *http.Request) {
		switch {
		case n == 1:
			accept(func(p *peer) { <-t.Context().Done() })(n, w, r) // mute
		case time.Since(start) < 5*time.Minute:
			refuse(409, "")(n, w, r)
		default:
			sound(message(1))(n, w, r)
		}
	}
	c := connect(s)
	if d := must(t, c); d.Receipt != at(1) {
		t.Errorf("%+v", d)
	}
	if late := time.Since(start) - 5*time.Minute; late > 31*time.Second {
		t.Errorf("taken up %v after the subscription was free", late)
	}
}

func testRotatedToken(t *testing.T, connect maker) {
	var mu sync.Mutex
	token, asked := "old-token", 0
	s := newService(t, nil)
	s.answer = func(n int, w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer new-token" {
			mu.Lock()
			token = "new-token" // somebody mends it just now
			mu.Unlock()
			refuse(401, "old-token is no good")(n, w, r)
			return
		}
		sound(message(1))(n, w, r)
	}
	c := connect(s, TokenFunc(func(context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if asked++; asked == 1 {
			return "", errors.New("vault is down")
		}
		return token, nil
	}))
	ackIt(t, c, must(t, c))
	if n := s.count(); n != 2 {
		t.Errorf("%d dials", n)
	}
}

// testTokenRotatedInVain has the next token refused as well.
func testTokenRotatedInVain(t *testing.T, connect maker) {
	s := newService(t, refuse(403, "not authorized"))
	n := 0
	c := connect(s, TokenFunc(func(context.Context) (string, error) {
		n++
		return fmt.Sprint("token", n), nil
	}))
	_, err := c.Receive(t.Context())
	if ae, ok := errors.AsType[*eds.AuthError](err); !ok || ae.Code != 403 {
		t.Errorf("Receive = %v", err)
	}
	if n := s.count(); n != 2 {
		t.Errorf("%d dials, want one with each token", n)
	}
}

func testRetryAfter(t *testing.T, connect maker) {
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
			sound(message(1))(n, w, r)
		}
		must(t, connect(s))
		if g := s.gaps()[0]; g < c.min || g > c.max {
			t.Errorf("%d, Retry-After %q: tried again after %v", c.status, c.header, g)
		}
	}
}

func testGatewayErrors(t *testing.T, connect maker) {
	for status := 300; status < 600; status++ {
		for _, connected := range []bool{false, true} {
			want := wslink.Transient
			switch {
			case status == 401 || status == 403:
				want = wslink.BadKey
			case status == 409:
				want = wslink.Held
			case status == 404 && connected:
			case status >= 400 && status < 500 && status != 408 && status != 425 && status != 429:
				want = wslink.BadSetting
			}
			if got := judge(&wslink.Ending{Status: status}, connected); got != want {
				t.Errorf("%d, connected before %v: class %d, want %d", status, connected, got, want)
			}
		}
	}
	s := newService(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n <= 4 {
			refuse([]int{500, 502, 504, 599}[n-1], "<html>"+canary)(n, w, r)
			return
		}
		sound(message(1))(n, w, r)
	})
	must(t, connect(s))
}

func testWrongSetting(t *testing.T, connect maker) {
	for _, status := range []int{400, 404, 405, 414, 431} {
		s := newService(t, refuse(status, "Invalid query params: "+canary))
		c := connect(s)
		_, err := c.Receive(t.Context())
		ce, ok := errors.AsType[*eds.ConfigError](err)
		if !ok || !strings.HasPrefix(ce.Value, "ws://localhost/base/ws/v2/") || strings.Contains(ce.Value, "?") ||
			!strings.Contains(ce.Reason, fmt.Sprint(status)) {
			t.Errorf("Receive = %v", err)
		}
		noKey(t, "error", fmt.Sprintf("%v %#v", err, ce))
		time.Sleep(time.Hour)
		if n := s.count(); n != 1 {
			t.Errorf("%d: %d dials", status, n)
		}
	}
}

// testTopicGone has a topic that was there disappear for half an hour.
func testTopicGone(t *testing.T, connect maker) {
	start := time.Now()
	s := newService(t, nil)
	s.answer = func(n int, w http.ResponseWriter, r *http.Request) {
		switch {
		case n == 1:
			accept(func(p *peer) { p.send(message(1)); p.acks(1) })(n, w, r)
		case time.Since(start) < 30*time.Minute:
			refuse(404, "Topic does not exist")(n, w, r)
		default:
			sound(message(2))(n, w, r)
		}
	}
	c := connect(s)
	ackIt(t, c, must(t, c))
	if d := must(t, c); d.Receipt != at(2) {
		t.Errorf("%+v", d)
	}
	for i, g := range s.gaps()[1:] {
		if g < 30*time.Second || g > time.Minute {
			t.Errorf("gap %d is %v, want 30 s at least", i, g)
		}
	}
}

// testServerErrorForEver: whatever a 500 means, it may pass.
func testServerErrorForEver(t *testing.T, connect maker) {
	s := newService(t, refuse(500, "Failed to create consumer: broker is gone"))
	log := &journal{}
	c := connect(s, Logger(log.logger()))
	until(t, c, 2*time.Hour)
	gaps := s.gaps()
	if n := len(gaps); n < 100 || n > 600 {
		t.Errorf("%d tries within two hours", n)
	}
	for i, g := range gaps {
		if g > time.Minute {
			t.Errorf("gap %d is %v", i, g)
		}
	}
	if st := c.Status(); st.State != eds.Connecting || st.Err == nil || !strings.Contains(st.Err.Error(), "broker is gone") {
		t.Errorf("%+v", st)
	}
}

// dialErrors has the first three dials fail.
func dialErrors(t *testing.T, connect maker, err error, text string) {
	s := newService(t, sound(message(1)))
	n := 0
	c := connect(s, DialContext(func(ctx context.Context, network, addr string) (net.Conn, error) {
		if n++; n <= 3 {
			return nil, err
		}
		return s.DialContext(ctx, network, addr)
	}))
	must(t, c)
	if n != 4 {
		t.Errorf("%d dials", n)
	}
	if st := c.Status(); st.Err == nil || !strings.Contains(st.Err.Error(), text) {
		t.Errorf("status = %+v", st)
	}
}

func testBlackHole(t *testing.T, connect maker) {
	n := 0
	s := newService(t, sound(message(1)))
	c := connect(s, DialContext(func(ctx context.Context, network, addr string) (net.Conn, error) {
		if n++; n == 1 {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return s.DialContext(ctx, network, addr)
	}))
	start := time.Now()
	must(t, c)
	if d := time.Since(start); d < 45*time.Second || d > 46*time.Second {
		t.Errorf("connected after %v, want a little over the dial time-out", d)
	}
}

func testNoAnswer(t *testing.T, connect maker) {
	for _, limit := range []time.Duration{0, 7 * time.Second} {
		s := newService(t, nil)
		s.answer = func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				<-r.Context().Done() // the client gives up
				return
			}
			if limit == 0 {
				time.Sleep(31 * time.Second) // Pulsar subscribes before it answers
			}
			sound(message(1))(n, w, r)
		}
		var opts []ReceiverOption
		if limit > 0 {
			opts = append(opts, DialTimeout(limit))
		}
		start := time.Now()
		must(t, connect(s, opts...))
		want := limit
		if limit == 0 {
			want = 45*time.Second + 31*time.Second
		}
		if d := time.Since(start); d < want || d > want+time.Second {
			t.Errorf("connected after %v, want a little over %v", d, want)
		}
	}
}

// testUntrustedCertificate also runs the whole way over TLS.
func testUntrustedCertificate(t *testing.T, connect maker) {
	// Its certificate is good for example.com.
	issuer := httptest.NewUnstartedServer(nil)
	issuer.StartTLS()
	cert := issuer.TLS.Certificates[0]
	roots := issuer.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	issuer.Close()

	s := newService(t, accept(func(p *peer) {
		p.send(message(1))
		p.acks(1)
		p.send(message(2))
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
	client := func(host string) *Consumer {
		return NewConsumer("wss://"+host, aTopic, aSub, Token(canary), DialContext(serveTLS), Logger(quietly),
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
	until(t, good, time.Minute) // interrupted and resumed above TLS
	ackIt(t, good, d)
	if d := must(t, good); d.Receipt != at(2) {
		t.Errorf("%+v", d)
	}
}

func testRedirect(t *testing.T, connect maker) {
	elsewhere := newService(t, refuse(500, ""))
	s := newService(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n <= 2 {
			http.Redirect(w, r, "http://thief.example/?stolen="+url.QueryEscape(r.Header.Get("Authorization")), 307)
			return
		}
		sound(message(1))(n, w, r)
	})
	c := connect(s, DialContext(func(ctx context.Context, network, addr string) (net.Conn, error) {
		if strings.HasPrefix(addr, "thief") {
			return elsewhere.DialContext(ctx, network, addr)
		}
		return s.DialContext(ctx, network, addr)
	}))
	must(t, c)
	if elsewhere.count() != 0 {
		t.Error("followed a redirect with the token")
	}
	if err := c.Status().Err; err == nil || !strings.Contains(err.Error(), "thief.example") ||
		strings.Contains(err.Error(), "stolen") {
		t.Errorf("err = %v", err)
	}
}

func testBadHandshake(t *testing.T, connect maker) {
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
			sound(message(1))(n, w, r)
		})
		if d := must(t, connect(s)); d.Receipt != at(1) {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// The pauses grow, although each dial succeeds; only a settled message has
// them start anew.
func testAcceptThenClose(t *testing.T, connect maker) {
	s := newService(t, nil)
	s.answer = func(n int, w http.ResponseWriter, r *http.Request) {
		accept(func(p *peer) {
			if n == 20 {
				p.send(message(1))
				p.acks(1)
			}
			p.ws.Close(websocket.StatusNormalClosure, "")
		})(n, w, r)
	}
	c := connect(s, Backoff(time.Second, 32*time.Second))
	d := must(t, c)
	gaps := s.gaps()
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
	ackIt(t, c, d)
	until(t, c, 100*time.Second)
	if after := s.gaps()[len(gaps):]; len(after) < 3 || after[0] > time.Second+time.Millisecond {
		t.Errorf("after a settled message: %v", after)
	}
}

func testProxy(t *testing.T, connect maker) {
	s := newService(t, refuse(407, "proxy wants a password"))
	c := connect(s, HTTPClient(&http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		Proxy:             http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example:3128"}),
	}}))
	_, err := c.Receive(t.Context())
	if ce, ok := errors.AsType[*eds.ConfigError](err); !ok || !strings.Contains(ce.Reason, "407") {
		t.Errorf("Receive = %v", err)
	}

	// The same for a tunnel.
	tunnel := NewConsumer("wss://pulsar.example", aTopic, aSub, Token(canary), DialContext(s.DialContext), Logger(quietly))
	defer tunnel.Close(t.Context())
	tunnel.link.Client.Transport.(*http.Transport).Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example:3128"})
	_, err = tunnel.Receive(t.Context())
	if ce, ok := errors.AsType[*eds.ConfigError](err); !ok || !strings.Contains(ce.Reason, "407") {
		t.Errorf("Receive = %v", err)
	}
	for _, r := range s.asked[1:] {
		if r.Header.Get("Authorization") != "" {
			t.Error("the proxy was told the token")
		}
	}
}

func testStopWhileConnecting(t *testing.T, connect maker) {
	hang := make(chan struct{})
	defer close(hang)
	for name, answer := range map[string]answer{
		"handshake": func(int, http.ResponseWriter, *http.Request) { <-hang },
		"pause":     refuse(503, ""),
		"standby":   refuse(409, ""),
	} {
		s := newService(t, answer)
		c := connect(s, Backoff(time.Hour, time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second+time.Millisecond)
		start := time.Now()
		_, err := c.Receive(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5100*time.Millisecond {
			t.Errorf("%s: Receive = %v after %v", name, err, time.Since(start))
		}
		c.Close(t.Context())
		if time.Since(start) > 5100*time.Millisecond {
			t.Errorf("%s: Close took until %v", name, time.Since(start))
		}
	}
}

func testNoDialAfterClose(t *testing.T, connect maker) {
	s := newService(t, sound())
	c := connect(s)
	until(t, c, time.Second)
	c.Close(t.Context())
	c.Close(t.Context())
	if _, err := c.Receive(t.Context()); err == nil {
		t.Error("Receive after Close")
	}
	if n := s.count(); n != 1 {
		t.Errorf("%d dials", n)
	}
	if st := c.Status(); st.State != eds.Closed {
		t.Errorf("status = %+v", st)
	}

	// Close while a message is awaited.
	s = newService(t, sound())
	c = connect(s)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if d, err := c.Receive(t.Context()); err == nil || !wslink.Closed(err) {
			t.Errorf("Receive = %+v, %v", d, err)
		}
	})
	synctest.Wait()
	c.Close(t.Context())
	waiting.Wait()

	// Close while a dial is under way.
	s = newService(t, func(n int, w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Second)
		sound()(n, w, r)
	})
	c = connect(s)
	var running sync.WaitGroup
	running.Go(func() {
		if d, err := c.Receive(t.Context()); err == nil {
			t.Errorf("Receive = %+v", d)
		}
	})
	time.Sleep(500 * time.Millisecond)
	c.Close(t.Context())
	running.Wait()
	if s.open != 0 {
		t.Error("a connection was left open")
	}
}

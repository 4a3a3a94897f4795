package wslink

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// httpClient returns the client for the handshakes.
func (s *Settings) httpClient() *http.Client {
	client := &http.Client{}
	if s.HTTPClient != nil {
		*client = *s.HTTPClient
	}
	base, ok := client.Transport.(*http.Transport)
	switch {
	case client.Transport == nil:
		if base, ok = http.DefaultTransport.(*http.Transport); ok {
			base = base.Clone()
		} else { // the program has put another one in its place, such as one that traces
			base = &http.Transport{Proxy: http.ProxyFromEnvironment}
		}
		// No connection stays behind after a refusal.
		base.DisableKeepAlives = true
		base.OnProxyConnectResponse = proxyAnswered
	case ok && s.DialContext != nil:
		base = base.Clone()
	default:
		return client
	}
	dial := s.DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	limit := s.DialTimeout
	base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		// http.Transport may let a dial outlive the request it was for.
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return dial(ctx, network, addr)
	}
	client.Transport = base
	return client
}

// proxyError is the status with which a proxy refuses a tunnel for want of
// credentials, which no repetition mends.
type proxyError int

func (e proxyError) Error() string { return fmt.Sprintf("the proxy answered %d", int(e)) }

func proxyAnswered(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusProxyAuthRequired {
		return proxyError(resp.StatusCode)
	}
	return nil
}

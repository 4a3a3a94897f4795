package wsconn

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"

	"github.com/coder/websocket"
)

// Dial opens a WebSocket over a Conn. The key that header may hold never goes
// to another host, since redirects are not followed: they come back as the
// refusal that they are.
//
// ctx bounds the handshake alone. The response is there when the service
// refused; at most its first 1024 bytes can be read. The error's text may hold
// the URL: see Redact.
func Dial(ctx context.Context, url string, header http.Header, client *http.Client, writeTimeout time.Duration) (*websocket.Conn, *Conn, *http.Response, error) {
	up := &upgrader{base: client.Transport, writeTimeout: writeTimeout}
	if up.base == nil {
		up.base = http.DefaultTransport
	}
	own := *client
	own.Transport = up
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	ws, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: &own, HTTPHeader: header})
	if err != nil {
		return nil, nil, resp, err
	}
	// The transports have limits of their own, which cost no connection.
	ws.SetReadLimit(-1)
	return ws, up.conn, resp, nil
}

// upgrader puts a Conn under the body of the response that switches
// protocols. That is above TLS and proxies, and works with any RoundTripper.
type upgrader struct {
	base         http.RoundTripper
	writeTimeout time.Duration
	conn         *Conn
}

func (u *upgrader) RoundTrip(req *http.Request) (*http.Response, error) {
	var conn net.Conn
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { conn = info.Conn },
	})
	resp, err := u.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if body, ok := resp.Body.(io.ReadWriteCloser); ok && resp.StatusCode == http.StatusSwitchingProtocols {
		u.conn = newConn(body, conn, u.writeTimeout)
		resp.Body = u.conn
	}
	return resp, nil
}

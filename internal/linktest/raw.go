package linktest

import (
	"crypto/sha1"
	"encoding/base64"
	"maps"
	"net"
	"net/http"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// Frame is a text frame as a server sends it: not masked.
func Frame(text string) []byte {
	return wsserver.AppendFrame(nil, wsserver.Text, true, []byte(text))
}

// upgraded returns the header that completes a handshake.
func upgraded(r *http.Request) http.Header {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Accept": {base64.StdEncoding.EncodeToString(sum[:])},
	}
}

// Raw upgrades, and closes the bare connection when f returns.
func Raw(f func(n int, conn net.Conn)) Answer {
	return func(n int, w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), upgraded(r))
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			if s := serviceOf(r); s != nil {
				s.T.Error(err)
			}
			return
		}
		defer conn.Close()
		f(n, conn)
	}
}

// Drain takes what comes, until the end.
func Drain(conn net.Conn) {
	buf := make([]byte, 4096)
	for {
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}

// Endless is a network that always has more frames, and takes everything.
type Endless struct {
	Frames []byte
	Writes int
	next   int
}

// RoundTrip implements http.RoundTripper.
func (e *Endless) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusSwitchingProtocols, Header: upgraded(r), Body: e}, nil
}

// Read begins anew behind the last frame.
func (e *Endless) Read(p []byte) (int, error) {
	if e.next == len(e.Frames) {
		e.next = 0
	}
	n := copy(p, e.Frames[e.next:])
	e.next += n
	return n, nil
}

// Write implements io.Writer.
func (e *Endless) Write(p []byte) (int, error) { e.Writes++; return len(p), nil }

// Close implements io.Closer.
func (e *Endless) Close() error { return nil }

package wsserver

import (
	"bufio"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

// accept upgrades a request, with a wire below the WebSocket that the caller
// releases. begin is called before the client hears that it is connected,
// closing before a close frame leaves.
func (h *Host) accept(
	w http.ResponseWriter, r *http.Request, opts *websocket.AcceptOptions, begin func(), closing func(code int),
) (*websocket.Conn, *wire, error) {
	up := &upgrade{ResponseWriter: w, h: h, begin: begin, closing: closing}
	ws, err := websocket.Accept(up, r, opts)
	return ws, up.wire, err
}

// upgrade is a ResponseWriter that puts a wire below what is hijacked.
type upgrade struct {
	http.ResponseWriter
	h       *Host
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
	u.wire = u.h.adopt(conn, u.closing)
	return u.wire, bufio.NewReadWriter(rw.Reader, bufio.NewWriter(u.wire)), nil
}

// AcceptAndClose upgrades only to close.
func (h *Host) AcceptAndClose(w http.ResponseWriter, r *http.Request, code int, reason string) {
	ws, wire, err := h.accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}, func() {}, nil)
	defer h.release(wire)
	if err == nil { // else the library has answered
		_ = ws.Close(websocket.StatusCode(code), reason)
	}
}

// hijack takes the connection from HTTP, has f use it, and closes it.
func (h *Host) hijack(w http.ResponseWriter, f func(*wire)) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotImplemented)
		return
	}
	wire := h.adopt(conn, nil)
	defer h.release(wire)
	f(wire)
}

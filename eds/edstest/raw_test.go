package edstest_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/eventdelivery/eds-go/eds/edstest"
)

// rawConn shows the frames that a WebSocket library hides.
type rawConn struct {
	net.Conn
	r *bufio.Reader
}

// rawDial upgrades by hand, through memory.
func rawDial(t *testing.T, s *edstest.Server) *rawConn {
	t.Helper()
	conn, err := s.DialContext(t.Context(), "tcp", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "GET /%s HTTP/1.1\r\nHost: x\r\nAuthorization: api-key %s\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		defaultQuery, edstest.DefaultKey)
	if err != nil {
		t.Fatal(err)
	}
	raw := &rawConn{conn, bufio.NewReader(conn)}
	resp, err := http.ReadResponse(raw.r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}
	return raw
}

// frame reads one frame: its first byte and its payload.
func (c *rawConn) frame(t *testing.T) (first byte, payload []byte) {
	t.Helper()
	var head [2]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		t.Fatal(err)
	}
	n := int(head[1])
	if n == 126 {
		var long [2]byte
		if _, err := io.ReadFull(c.r, long[:]); err != nil {
			t.Fatal(err)
		}
		n = int(binary.BigEndian.Uint16(long[:]))
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(c.r, payload); err != nil {
		t.Fatal(err)
	}
	return head[0], payload
}

package pulsarws

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

// tenantOf returns a message with a payload of n bytes.
func tenantOf(n, i int) string {
	id := binary.BigEndian.AppendUint64([]byte("\x08\xb9\x8b\xa4\x01\x10\x80\x80\x80"), uint64(i))
	payload := `{"tenantId":"P0001","note":"` + strings.Repeat("n", n-30) + `"}`
	return fmt.Sprintf(`{"messageId":"%s","payload":"%s","properties":{"type":"TENANT_ONBOARDED"},`+
		`"publishTime":"2026-03-20T14:30:00.123Z","redeliveryCount":0}`,
		base64.StdEncoding.EncodeToString(id), base64.StdEncoding.EncodeToString([]byte(payload)))
}

func BenchmarkScan(b *testing.B) {
	for _, n := range []int{400, 4096} {
		data := []byte(tenantOf(n, 1))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var e envelope
			for b.Loop() {
				if e.scan(data) != nil || e.fault != nil {
					b.Fatal("refused")
				}
			}
		})
	}
}

func BenchmarkBody(b *testing.B) {
	for _, n := range []int{400, 4096} {
		var e envelope
		if err := e.scan([]byte(tenantOf(n, 1))); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if body, err := e.body(); err != nil || len(body) != n {
					b.Fatal(len(body), err)
				}
			}
		})
	}
}

// endless is a network that always has more messages, and takes everything.
type endless struct {
	frames []byte
	pos    int
	writes int
}

func (e *endless) RoundTrip(r *http.Request) (*http.Response, error) {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return &http.Response{
		StatusCode: http.StatusSwitchingProtocols,
		Header: http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
			"Sec-Websocket-Accept": {base64.StdEncoding.EncodeToString(sum[:])},
		},
		Body: e,
	}, nil
}
func (e *endless) Read(p []byte) (int, error) {
	if e.pos == len(e.frames) {
		e.pos = 0
	}
	n := copy(p, e.frames[e.pos:])
	e.pos += n
	return n, nil
}
func (e *endless) Write(p []byte) (int, error) { e.writes++; return len(p), nil }
func (e *endless) Close() error                { return nil }

var _ io.ReadWriteCloser = (*endless)(nil)

// BenchmarkMessageToAck is all that the transport itself costs: a message
// read, made a delivery, and acknowledged, on a network that costs nothing.
func BenchmarkMessageToAck(b *testing.B) {
	for _, n := range []int{400, 4096} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			network := &endless{}
			for i := range 20000 {
				text := tenantOf(n, i)
				network.frames = binary.BigEndian.AppendUint16(append(network.frames, 0x81, 126), uint16(len(text)))
				network.frames = append(network.frames, text...)
			}
			c := NewConsumer("wss://localhost", "acme/billing/tenants", "bench", Subscribe(Shared),
				HTTPClient(&http.Client{Transport: network}), Logger(slog.New(slog.DiscardHandler)))
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				d, err := c.Receive(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if err := c.Ack(b.Context(), d); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(network.writes)/float64(b.N), "writes/op")
			b.StopTimer()
			d, err := c.Receive(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			d.Tag.(*delivered).session.Conn.Fail(io.EOF)
			c.Close(b.Context())
		})
	}
}

package pulsarws

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/internal/linktest"
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

// BenchmarkMessageToAck is all that the transport itself costs: a message
// read, made a delivery, and acknowledged, on a network that costs nothing.
func BenchmarkMessageToAck(b *testing.B) {
	for _, n := range []int{400, 4096} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			network := &linktest.Endless{}
			for i := range 20000 {
				network.Frames = append(network.Frames, linktest.Frame(tenantOf(n, i))...)
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
			b.ReportMetric(float64(network.Writes)/float64(b.N), "writes/op")
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

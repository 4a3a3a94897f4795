package edsv2

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/internal/linktest"
)

// sized returns an event of about n bytes.
func sized(n, i int) string {
	head := fmt.Sprintf(`{"frameType":"EVENT","framePayload":{"eventId":"0e6d4a52-8f6c-4b1e-9c55-%012d",`+
		`"eventType":"TENANT_ONBOARDED","receiptId":"7a1f9a86-30d5-4c0e-8d53-%012d",`+
		`"eventTs":"2026-03-20T14:30:00.000Z","queueName":"my-queue",`+
		`"eventPayload":{"tenantId":"P0001","empegoTenantId":"tenant-abc","items":[`, i, i)
	tail := `]}}}`
	item := `{"sku":"AB-1234","qty":3,"price":12.50,"tags":["new","sale"],"note":"ring the \"bell\""},`
	b := head
	for len(b)+len(item)+len(tail) <= n {
		b += item
	}
	if rest := n - len(b) - len(tail) - 2; rest > 0 {
		b += `"` + strings.Repeat("x", rest) + `"`
	} else {
		b = strings.TrimSuffix(b, ",")
	}
	return b + tail
}

func BenchmarkScan(b *testing.B) {
	for _, n := range []int{400, 4096} {
		data := []byte(sized(n, 1))
		if !json.Valid(data) {
			b.Fatalf("%s", data)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var f frame
			for b.Loop() {
				if f.scan(data) != nil || f.fault("my-queue") != nil {
					b.Fatal("refused")
				}
			}
		})
	}
}

// BenchmarkFrameToAck is all that the transport itself costs: a frame read,
// made a delivery, and acknowledged, on a network that costs nothing.
func BenchmarkFrameToAck(b *testing.B) {
	for _, n := range []int{400, 4096} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			network := &linktest.Endless{}
			for i := range 20000 {
				network.Frames = append(network.Frames, linktest.Frame(sized(n, i))...)
			}
			tr := New("wss://localhost", "my-queue", APIKey("k"), HTTPClient(&http.Client{Transport: network}),
				Logger(slog.New(slog.DiscardHandler)))
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				d, err := tr.Receive(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if err := tr.Ack(b.Context(), d); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(network.Writes)/float64(b.N), "writes/op")
			b.StopTimer()
			present(tr).Conn.Fail(io.EOF)
			tr.Close(b.Context())
		})
	}
}

func BenchmarkJSON(b *testing.B) {
	for _, n := range []int{400, 4096} {
		data := []byte(sized(n, 1))
		b.Run(fmt.Sprint("valid", n), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				json.Valid(data)
			}
		})
		b.Run(fmt.Sprint("unmarshal", n), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				var e struct {
					FrameType    string
					FramePayload json.RawMessage
				}
				json.Unmarshal(data, &e)
				var f struct {
					EventID, EventType, ReceiptID, EventTs, QueueName string
					EventPayload                                      json.RawMessage
				}
				json.Unmarshal(e.FramePayload, &f)
			}
		})
	}
}

// echo is a service on loopback TCP that keeps window events in flight.
func echo(b *testing.B, size, window int) string {
	// Each round has new receipts: none is acknowledged twice.
	const prefix = `"receiptId":"7a1f9a86-30d5-4c0e-8d53-`
	var events []byte
	var receipts []int
	for i := range window {
		w := linktest.Frame(sized(size, i))
		receipts = append(receipts, len(events)+bytes.Index(w, []byte(prefix))+len(prefix))
		events = append(events, w...)
	}
	// The receipts are of one length, and so are the masked frames of their
	// acknowledgements.
	ack := len(appendAck(nil, "7a1f9a86-30d5-4c0e-8d53-000000000001"))
	if ack > 125 {
		b.Fatal("needs a longer header")
	}
	ack += 2 + 4
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	serve := linktest.Raw(func(_ int, c net.Conn) {
		buf := make([]byte, ack*window)
		for n := 0; ; {
			for _, at := range receipts {
				n++
				copy(events[at:], fmt.Sprintf("%012d", n))
			}
			if _, err := c.Write(events); err != nil {
				return
			}
			if _, err := io.ReadFull(c, buf); err != nil {
				return
			}
		}
	})
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(1, w, r) })}
	go srv.Serve(l)
	b.Cleanup(func() { srv.Close() })
	return "ws://" + l.Addr().String()
}

// BenchmarkLoopback is the transport over TCP, and beside it the loop that one
// would write by hand after the vendor's pseudo-code.
func BenchmarkLoopback(b *testing.B) {
	for _, size := range []int{400, 4096} {
		for _, window := range []int{1, 16, 256} {
			name := fmt.Sprintf("%dB/window%d", size, window)
			b.Run(name+"/transport", func(b *testing.B) {
				tr := New(echo(b, size, window), "my-queue", APIKey("k"), Logger(slog.New(slog.DiscardHandler)))
				b.ReportAllocs()
				for b.Loop() {
					d, err := tr.Receive(b.Context())
					if err != nil {
						b.Fatal(err)
					}
					if err := tr.Ack(b.Context(), d); err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				present(tr).Conn.Fail(io.EOF)
				tr.Close(b.Context())
			})
			b.Run(name+"/hand", func(b *testing.B) {
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				ws, _, err := websocket.Dial(ctx, echo(b, size, window), nil)
				if err != nil {
					b.Fatal(err)
				}
				defer ws.CloseNow()
				b.ReportAllocs()
				for b.Loop() {
					_, data, err := ws.Read(ctx)
					if err != nil {
						b.Fatal(err)
					}
					var in struct {
						FrameType    string
						FramePayload struct {
							EventID, EventType, ReceiptID, EventTs, QueueName string
							EventPayload                                      json.RawMessage
						}
					}
					if err := json.Unmarshal(data, &in); err != nil {
						b.Fatal(err)
					}
					type receipt struct {
						ReceiptID string `json:"receiptId"`
					}
					out, _ := json.Marshal(struct {
						FrameType    string  `json:"frameType"`
						FramePayload receipt `json:"framePayload"`
					}{"ACK_EVENT", receipt{in.FramePayload.ReceiptID}})
					if err := ws.Write(ctx, websocket.MessageText, out); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

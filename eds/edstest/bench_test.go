package edstest_test

import (
	"bytes"
	"testing"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/eds/edstest"
)

// BenchmarkEvents is an event's way through the server and back over TCP, with
// 256 in flight: how much of a client's measurement is the server's.
func BenchmarkEvents(b *testing.B) {
	s := edstest.NewTestServer(b, edstest.Window(256), edstest.Retain(0))
	if err := s.Start(); err != nil {
		b.Fatal(err)
	}
	ws, _, err := websocket.Dial(b.Context(), s.URL()+defaultQuery, &websocket.DialOptions{HTTPHeader: key(edstest.DefaultKey)})
	if err != nil {
		b.Fatal(err)
	}
	defer ws.CloseNow()
	e := edstest.Event{ID: "e", Type: "T", Payload: []byte(`"` + string(bytes.Repeat([]byte("x"), 250)) + `"`)}
	for range 256 {
		_, _ = s.Publish(edstest.DefaultQueue, e)
	}
	prefix := []byte(`"receiptId":"`)
	b.ReportAllocs()
	for b.Loop() {
		for {
			_, message, err := ws.Read(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if !bytes.HasPrefix(message, []byte(`{"frameType":"EVENT"`)) {
				continue
			}
			i := bytes.Index(message, prefix) + len(prefix)
			ack := append([]byte(`{"frameType":"ACK_EVENT","framePayload":{"receiptId":"`), message[i:i+36]...)
			if err := ws.Write(b.Context(), websocket.MessageText, append(ack, `"}}`...)); err != nil {
				b.Fatal(err)
			}
			break
		}
		_, _ = s.Publish(edstest.DefaultQueue, e)
	}
}

package pulsartest_test

import (
	"bytes"
	"context"
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

// BenchmarkConsume takes and acknowledges messages of 400 bytes over TCP, with
// a backlog of as many as there are to come.
func BenchmarkConsume(b *testing.B) {
	for _, kind := range []string{"Exclusive", "Shared", "Key_Shared"} {
		b.Run(kind, func(b *testing.B) {
			s := pulsartest.NewServer(pulsartest.Retain(0), pulsartest.RetainMessages(1))
			defer s.Close()
			if err := s.Start(); err != nil {
				b.Fatal(err)
			}
			orders, err := s.Topic(topic)
			if err != nil {
				b.Fatal(err)
			}
			orders.Subscribe("sub", true)
			payload := bytes.Repeat([]byte("x"), 400)
			const backlog = 20_000
			for range backlog {
				if _, err := s.Publish(topic, pulsartest.Message{Payload: payload}); err != nil {
					b.Fatal(err)
				}
			}
			ctx := context.Background()
			ws, _, err := websocket.Dial(ctx, s.URL()+consumerPath("sub", "receiverQueueSize=256&subscriptionType="+kind), &websocket.DialOptions{
				HTTPClient: &http.Client{Transport: &http.Transport{}},
			})
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
				id := data[len(`{"messageId":"`):]
				id = id[:bytes.IndexByte(id, '"')]
				if err := ws.Write(ctx, websocket.MessageText, append(append([]byte(`{"messageId":"`), id...), `"}`...)); err != nil {
					b.Fatal(err)
				}
				if _, err := s.Publish(topic, pulsartest.Message{Payload: payload}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

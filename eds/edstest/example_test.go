package edstest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/eds/edstest"
)

// The test of a client that loses its connection with an acknowledgement on
// the way: the event must come again, and be acknowledged then.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	srv := edstest.NewServer(edstest.Queues("orders"), edstest.APIKey("secret"))
	defer srv.Close()

	id, _ := srv.Publish("orders", edstest.Event{ID: "order-1", Type: "ORDER_PLACED"})
	lost := srv.OnReceive(edstest.Acks, edstest.Drop(), edstest.ForEvent(id))

	first := oneEvent(ctx, srv)
	_ = srv.WaitDisconnected(ctx)
	second := oneEvent(ctx, srv)
	_ = srv.WaitDisconnected(ctx)

	fmt.Println("lost:", lost.Count(), first != nil, second == nil, srv.WaitAcked(ctx, id))
	fmt.Printf("%+v\n", srv.Queue("orders").Counts())
	// Output:
	// lost: 1 true true <nil>
	// {Connected:false Waiting:0 InFlight:0 Acked:1 Deliveries:2 Redeliveries:1}
}

// oneEvent is the client: it takes one event and acknowledges it.
func oneEvent(ctx context.Context, srv *edstest.Server) error {
	transport := &http.Transport{DialContext: srv.DialContext}
	conn, _, err := websocket.Dial(ctx, srv.URL()+"?queue=orders", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport},
		HTTPHeader: http.Header{"Authorization": {"api-key secret"}},
	})
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	_, message, err := conn.Read(ctx)
	if err != nil {
		return err
	}
	var event struct {
		FramePayload struct{ ReceiptID string }
	}
	if err := json.Unmarshal(message, &event); err != nil {
		return err
	}
	ack := fmt.Appendf(nil, `{"frameType":"ACK_EVENT","framePayload":{"receiptId":%q}}`, event.FramePayload.ReceiptID)
	if err := conn.Write(ctx, websocket.MessageText, ack); err != nil {
		return err
	}
	_, _, err = conn.Read(ctx) // the reply
	return err
}

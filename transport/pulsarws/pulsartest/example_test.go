package pulsartest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

// The test of a client whose acknowledgement is lost with its connection: the
// message must come again, and be acknowledged then.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	srv := pulsartest.NewServer(pulsartest.Token("secret"))
	defer srv.Close()

	orders, _ := srv.Topic("acme/events/orders")
	orders.Subscribe("billing", true)
	id, _ := srv.Publish("acme/events/orders", pulsartest.Message{Payload: []byte(`{"total":5}`)})
	lost := srv.OnCommand(pulsartest.Ack, pulsartest.Drop(), pulsartest.ForMessage(id))

	_ = oneMessage(ctx, srv)
	_ = lost.Wait(ctx, 1)
	fmt.Println("backlog:", orders.Backlog("billing"))
	_ = srv.WaitConnected(ctx, 0)
	_ = oneMessage(ctx, srv)
	fmt.Println("acknowledged:", srv.WaitAcked(ctx, "acme/events/orders", "billing", id) == nil)
	// Output:
	// backlog: 1
	// acknowledged: true
}

// oneMessage is the client: it takes one message and acknowledges it.
func oneMessage(ctx context.Context, srv *pulsartest.Server) error {
	conn, _, err := websocket.Dial(ctx, srv.URL()+"/ws/v2/consumer/persistent/acme/events/orders/billing", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: srv.DialContext}},
		HTTPHeader: http.Header{"Authorization": {"Bearer secret"}},
	})
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	_, data, err := conn.Read(ctx)
	if err != nil {
		return err
	}
	var message struct {
		ID string `json:"messageId"`
	}
	if err := json.Unmarshal(data, &message); err != nil {
		return err
	}
	if err := conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"messageId":%q}`, message.ID)); err != nil {
		return err
	}
	return conn.Close(websocket.StatusNormalClosure, "")
}

package edsv2

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/internal/wslink"
)

func TestReceiveAndAck(t *testing.T) {
	bubble(t, func(t *testing.T) {
		acked := make(chan string, 10)
		ended := make(chan websocket.StatusCode, 1)
		s := newService(t, accept(func(p *peer) {
			p.Send(event("e1", "r1"))
			for _, r := range p.Acks(1) {
				acked <- r
			}
			p.Send(`{"frameType":"ACK_EVENT_REPLY","framePayload":{"receiptId":"r1"}}`)
			p.Send(event("e2", "r2"))
			ended <- p.End()
		}))
		tr := s.client()
		before := time.Now()
		d := must(t, tr)
		if got := d.Event; got.ID != "e1" || got.Type != "TENANT_ONBOARDED" || got.Queue != "my-queue" ||
			got.Source != "eds://localhost/my-queue" || string(got.Payload) != `{"tenantId":"P0001"}` ||
			!got.Time.Equal(time.Date(2026, 3, 20, 14, 30, 0, 0, time.UTC)) || d.Receipt != "r1" || d.Err != nil {
			t.Errorf("delivery = %+v", d)
		}
		if d.Received.Before(before) || d.Deadline.Sub(d.Received) != 30*time.Second {
			t.Errorf("received %v, deadline %v", d.Received, d.Deadline)
		}
		ack(t, tr, d)
		if got := <-acked; got != "r1" {
			t.Errorf("acknowledged %q", got)
		}
		if d := must(t, tr); d.Event.ID != "e2" {
			t.Errorf("second delivery = %+v", d)
		}
		if st := tr.Stats(); st.Confirmed != 1 || st.Unconfirmed != 0 {
			t.Errorf("stats = %+v", st)
		}
		if err := tr.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if got := <-ended; got != websocket.StatusNormalClosure {
			t.Errorf("closed with %v", got)
		}
		asked := s.Asked()[0]
		if got := asked.Header.Get("Authorization"); got != "api-key "+canary {
			t.Errorf("Authorization = %q", got)
		}
		if got := asked.URL.String(); got != "/base?queue=my-queue&tenant=t1" {
			t.Errorf("url = %q", got)
		}
	})
}

// Close may end a Receive, and counts what its connection brought once.
func TestCloseDuringReceive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newService(t, accept(func(p *peer) {
			p.Send(event("e1", "r1"))
			p.Acks(1)
			p.Send(`{"frameType":"ACK_EVENT_REPLY","framePayload":{"receiptId":"r1"}}`)
			p.Rest()
		}))
		tr := s.client()
		ack(t, tr, must(t, tr))
		ended := make(chan error, 1)
		go func() {
			_, err := tr.Receive(t.Context())
			ended <- err
		}()
		synctest.Wait()
		if err := tr.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-ended; !wslink.Closed(err) {
			t.Errorf("Receive ended with %v", err)
		}
		if st := tr.Stats(); st.Confirmed != 1 {
			t.Errorf("stats = %+v", st)
		}
	})
}

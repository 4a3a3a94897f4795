package edsv2

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

func TestReceiveAndAck(t *testing.T) {
	bubble(t, func(t *testing.T) {
		acked := make(chan string, 10)
		ended := make(chan error, 1)
		s := newService(t, accept(func(p *peer) {
			p.send(event("e1", "r1"))
			for _, r := range p.acks(1) {
				acked <- r
			}
			p.send(`{"frameType":"ACK_EVENT_REPLY","framePayload":{"receiptId":"r1"}}`)
			p.send(event("e2", "r2"))
			ended <- p.rest()
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
		if got := websocket.CloseStatus(<-ended); got != websocket.StatusNormalClosure {
			t.Errorf("closed with %v", got)
		}
		if s.keys[0] != "api-key "+canary {
			t.Errorf("Authorization = %q", s.keys[0])
		}
		if got := s.urls[0]; got != "/path?queue=my-queue&tenant=t1" {
			t.Errorf("url = %q", got)
		}
	})
}

// A cancelled Receive costs neither the connection nor an event.
func TestCancelledReceiveKeepsTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		more := make(chan string)
		s := newService(t, accept(func(p *peer) {
			for m := range more {
				p.send(m)
			}
			p.rest()
		}))
		tr := s.client()
		for range 3 {
			until(t, tr, time.Second)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := tr.Receive(ctx); err != context.Canceled {
			t.Errorf("Receive = %v", err)
		}
		more <- event("e1", "r1")
		if d := must(t, tr); d.Event.ID != "e1" {
			t.Errorf("%+v", d)
		}
		if n := s.count(); n != 1 {
			t.Errorf("%d dials", n)
		}
		close(more)
		synctest.Wait()
		if st := tr.Status(); strings.Contains(st.State.String(), "onnecting") {
			t.Errorf("%+v", st)
		}
	})
}

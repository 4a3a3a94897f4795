package pulsartest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

func TestOnTCP(t *testing.T) {
	s := pulsartest.NewTestServer(t)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	handle(t, s, topic).Subscribe("sub", true)
	ids := publish(t, s, "1")
	for range 2 { // the second time after a reset
		ws, _, err := websocket.Dial(t.Context(), s.URL()+consumerPath("sub", ""), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ws.CloseNow() })
		if _, data, err := ws.Read(t.Context()); err != nil || !strings.Contains(string(data), ids[0]) {
			t.Fatalf("%s, %v", data, err)
		}
		if count(s, pulsartest.OpConnect) == 1 {
			s.Break(pulsartest.Reset())
			if _, _, err := ws.Read(t.Context()); err == nil || websocket.CloseStatus(err) != -1 {
				t.Errorf("after a reset: %v", err)
			}
			if err := s.WaitConnected(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := ws.Write(t.Context(), websocket.MessageText, []byte(`{"messageId":"`+ids[0]+`"}`)); err != nil {
			t.Fatal(err)
		}
	}
	acked(t, s, "sub", ids...)
	if err := s.WaitIdle(t.Context(), topic, "sub"); err != nil {
		t.Error(err)
	}
}

func TestWaiting(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		handle(t, s, topic).Subscribe("sub", true)
		ids := publish(t, s, "1")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, err := range []error{
			s.WaitAcked(ctx, topic, "sub", ids...), s.WaitAcked(ctx, topic, "other", ids...), s.WaitAcked(ctx, topic, "sub", "unknown"),
			s.WaitIdle(ctx, topic, "sub"), s.WaitConnected(ctx, 1),
		} {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		}
		dial(t, s, consumerPath("sub", "")).expect("1")
		r, err := s.WaitRecord(t.Context(), func(r pulsartest.Record) bool { return r.Op == pulsartest.OpDeliver })
		go func() { _, _ = s.Publish(topic, pulsartest.Message{}) }()
		if _, err := s.WaitRecord(t.Context(), func(r pulsartest.Record) bool { return r.Op == pulsartest.OpDeliver && r.MessageID != ids[0] }); err != nil {
			t.Error(err)
		}
		if err != nil || r.MessageID != ids[0] || r.Conn != 1 || r.Topic != fullName || r.Subscription != "sub" {
			t.Errorf("record %s, %v", r, err)
		}
		go s.Close()
		if err := s.WaitAcked(t.Context(), topic, "sub", ids...); !errors.Is(err, pulsartest.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		if _, err := s.Publish(topic, pulsartest.Message{}); !errors.Is(err, pulsartest.ErrClosed) {
			t.Errorf("Publish after Close: %v", err)
		}
	})
}

func TestBadNames(t *testing.T) {
	s := pulsartest.NewTestServer(t)
	for _, name := range []string{"", "a/b", "a/b/", "x://a/b/c", "a b/c/d", "persistent://a"} {
		if _, err := s.Publish(name, pulsartest.Message{}); err == nil {
			t.Errorf("%q was taken", name)
		}
		if _, err := s.Topic(name); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
	if h := handle(t, s, "short"); h.Name() != "persistent://public/default/short" {
		t.Errorf("name %q", h.Name())
	}
}

func TestRetention(t *testing.T) {
	var seen int
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", ""))
		publish(t, s, numbers(1, 100)...)
		for _, e := range c.expect(numbers(1, 100)...) {
			c.ack(e)
		}
		c.expect()
		if n := len(handle(t, s, topic).Messages()); n < 5 || n > 10 {
			t.Errorf("%d messages are kept", n)
		}
		for range 100 {
			if _, err := s.Publish("acme/events/unread", pulsartest.Message{}); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(handle(t, s, "acme/events/unread").Messages()); n < 5 || n > 10 {
			t.Errorf("%d messages that nobody subscribes to are kept", n)
		}
		if n := len(s.History()); n != 7 {
			t.Errorf("%d records are kept", n)
		}
		if seen < 300 {
			t.Errorf("%d records were seen", seen)
		}
		publish(t, s, numbers(1, 100)...) // which nobody has acknowledged
		if n := handle(t, s, topic).Backlog("sub"); n != 100 || len(handle(t, s, topic).Messages()) < 100 {
			t.Errorf("backlog %d", n)
		}
	}, pulsartest.Retain(7), pulsartest.RetainMessages(5), pulsartest.OnRecord(func(pulsartest.Record) { seen++ }))
}

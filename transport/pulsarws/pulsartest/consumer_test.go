package pulsartest_test

import (
	"testing"

	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

func TestExclusiveDeliversInOrderAndOnce(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", ""))
		ids := publish(t, s, "1", "2", "3")
		for i, e := range c.expect("1", "2", "3") {
			if e.MessageID != ids[i] || e.RedeliveryCount != 0 {
				t.Errorf("message %d: %+v", i, e)
			}
			c.ack(e)
		}
		acked(t, s, "sub", ids...)
		c.close()
		dial(t, s, consumerPath("sub", "")).expect()
	})
}

func TestUnackedComesAgainOnTheNextConnection(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "subscriptionType=Shared"))
		publish(t, s, "1", "2", "3")
		c.ack(c.expect("1", "2", "3")[1])
		c.close()
		again := dial(t, s, consumerPath("sub", "subscriptionType=Shared")).expect("1", "3")
		for _, e := range again {
			if e.RedeliveryCount != 0 {
				t.Errorf("a disconnect raised the count: %+v", e)
			}
		}
		if count(s, pulsartest.OpRedeliver) != 2 {
			t.Error("the history does not tell redeliveries")
		}
	})
}

func TestDropGivesBackAtOnce(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		a := dial(t, s, consumerPath("sub", "subscriptionType=Shared"))
		publish(t, s, "1", "2")
		a.expect("1", "2")
		b := dial(t, s, consumerPath("sub", "subscriptionType=Shared"))
		b.expect()
		if n := s.BreakWhen(pulsartest.Drop(), func(m pulsartest.Moment) bool { return m.Conn == 1 }); n != 1 {
			t.Fatal(n)
		}
		b.expect("1", "2")
		if code := a.ended(); code != -1 {
			t.Errorf("closed with %d, want no close frame", code)
		}
	})
}

func TestReaderWindow(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		publish(t, s, numbers(1, 6)...)
		c := dial(t, s, readerPath("messageId=earliest&receiverQueueSize=2"))
		first := c.expect("1", "2")
		c.ack(first[0])
		c.expect("3")
		c.send(`{}`)
		c.expect("4")
	})
}

func TestProducerToConsumer(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", ""))
		p := dial(t, s, producerPath(""))
		p.send(`{"payload":"aGVsbG8=","properties":{"k":"v"},"context":"17","key":"user-1","eventTime":"2026-03-01T10:59:59+01:00"}`)
		if e := p.next(); e.Result != "ok" || e.Context != "17" || e.MessageID == "" {
			t.Errorf("reply %s", e.raw)
		}
		e := c.expect("hello")[0]
		if e.Properties["k"] != "v" || e.Key != "user-1" || e.EventTime != "2026-03-01T09:59:59Z" || e.PublishTime != "2000-01-01T00:00:00Z" {
			t.Errorf("message %s", e.raw)
		}
	})
}

package pulsartest_test

import (
	"slices"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

func TestPushWindowCountsUnansweredDeliveries(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "receiverQueueSize=3&subscriptionType=Shared"))
		publish(t, s, numbers(1, 10)...)
		got := c.expect("1", "2", "3")
		sleep(time.Minute) // no timer restarts the loop
		c.expect()
		c.ack(got[2])
		c.expect("4")
		c.nack(got[0]) // a nack returns the credit at once
		c.expect("5")
	})
}

// A thousand is the default, and the most.
func TestDefaultWindow(t *testing.T) {
	for _, query := range []string{"", "receiverQueueSize=1000", "receiverQueueSize=5000"} {
		in(t, func(t *testing.T, s *pulsartest.Server) {
			c := dial(t, s, consumerPath("sub", query))
			publish(t, s, numbers(1, 1001)...)
			c.expect(numbers(1, 1000)...)
		})
	}
}

func TestQueueOfZeroHasWindowOne(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		a := dial(t, s, consumerPath("sub", "receiverQueueSize=0&subscriptionType=Shared"))
		publish(t, s, "1", "2", "3", "4")
		a.expect("1")
		// It fetches nothing ahead, so that another gets the rest.
		dial(t, s, consumerPath("sub", "subscriptionType=Shared")).expect("2", "3", "4")
	})
}

func TestSuperfluousAnswersWidenTheWindow(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "receiverQueueSize=2"))
		publish(t, s, "1")
		one := c.expect("1")[0]
		for range 4 { // the last three are too many
			c.ack(one)
		}
		c.expect()
		publish(t, s, numbers(2, 10)...)
		c.expect("2", "3", "4", "5", "6")
		if count(s, pulsartest.OpAck) != 1 || count(s, pulsartest.OpAckDuplicate) != 3 {
			t.Error("the history does not tell the superfluous acknowledgements")
		}
	})
}

func TestWindowOneIsAsFastAsItsAcks(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "receiverQueueSize=1"))
		publish(t, s, numbers(1, 50)...)
		for i := range 50 {
			e := c.next()
			if want := numbers(i+1, i+1)[0]; string(e.Payload) != want {
				t.Fatalf("got %s, want %s", e.Payload, want)
			}
			c.ack(e)
		}
	})
}

func TestPermits(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "pullMode=TRUE&subscriptionType=Shared"))
		publish(t, s, numbers(1, 20)...)
		c.expect() // nothing before the first permit
		c.permit(2)
		got := c.expect("1", "2")
		c.ack(got[0]) // no answer counts
		c.nack(got[1])
		c.expect()
		c.permit(1)
		c.permit(3) // they add up
		c.expect("3", "4", "5", "6")
	})
}

func TestPermitsInAdvance(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "pullMode=true"))
		c.permit(1)
		c.permit(2)
		c.expect()
		publish(t, s, numbers(1, 5)...)
		c.expect("1", "2", "3")
	})
}

func TestPermitInPushModeIsIgnored(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "receiverQueueSize=1"))
		publish(t, s, "1", "2")
		c.permit(5)
		c.expect("1")
	})
}

// What the inner consumer fetched ahead is withheld from others.
func TestPullModePrefetches(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		a := dial(t, s, consumerPath("sub", "pullMode=true&subscriptionType=Shared&receiverQueueSize=3"))
		publish(t, s, numbers(1, 5)...)
		b := dial(t, s, consumerPath("sub", "subscriptionType=Shared"))
		b.expect("4", "5")
		a.close()
		b.expect("1", "2", "3")
	})
}

func TestNullPayloadEndsDeliverySilently(t *testing.T) {
	for name, path := range map[string]string{
		"push":   consumerPath("sub", "receiverQueueSize=2"),
		"pull":   consumerPath("sub", "pullMode=true"),
		"reader": readerPath("receiverQueueSize=2"),
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, s *pulsartest.Server) {
				c := dial(t, s, path)
				if name == "pull" {
					c.permit(10)
				}
				publish(t, s, "1")
				if _, err := s.Publish(topic, pulsartest.Message{NullPayload: true}); err != nil {
					t.Fatal(err)
				}
				publish(t, s, "2")
				one := c.expect("1")[0]
				c.ack(one)
				c.permit(5)
				c.expect()
				if !c.open() || count(s, pulsartest.OpStuck) != 1 {
					t.Error("the session is not open and stuck")
				}
			})
		})
	}
}

// apache/pulsar#2731: a delivery that timed out is a unit of the window all
// the same.
func TestAckTimeoutLeaksTheWindow(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "receiverQueueSize=2&subscriptionType=Shared&ackTimeoutMillis=1000"))
		publish(t, s, "1")
		c.expect("1")
		sleep(time.Second)
		again := c.expect("1")[0]
		if again.RedeliveryCount != 1 {
			t.Errorf("count %d", again.RedeliveryCount)
		}
		sleep(time.Second)
		publish(t, s, "2")
		c.expect() // the window of two is full of one message
		c.ack(again)
		c.ack(c.expect("1")[0]) // was fetched again before
		c.expect("2")
	})
}

func TestSharedTakesTurns(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		a := dial(t, s, consumerPath("sub", "subscriptionType=Shared"))
		b := dial(t, s, consumerPath("sub", "subscriptionType=Shared"))
		low := dial(t, s, consumerPath("sub", "subscriptionType=Shared&priorityLevel=1"))
		publish(t, s, numbers(1, 6)...)
		one, other := a.expect("1", "3", "5"), b.expect("2", "4", "6")
		low.expect()
		ids := make([]string, 0, 6)
		for _, e := range slices.Concat(one, other) {
			ids = append(ids, e.MessageID)
		}
		for i, c := range []*client{a, b} {
			for _, e := range [][]envelope{one, other}[i] {
				c.ack(e)
			}
		}
		acked(t, s, "sub", ids...)
	})
}

package pulsartest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

func TestNackComesAgainAfterItsDelay(t *testing.T) {
	for query, delay := range map[string]time.Duration{
		"":                                 time.Minute,
		"&negativeAckRedeliveryDelay=2000": 2 * time.Second,
		"&negativeAckRedeliveryDelay=0":    100 * time.Millisecond,
		"&negativeAckRedeliveryDelay=1":    100 * time.Millisecond,
	} {
		in(t, func(t *testing.T, s *pulsartest.Server) {
			c := dial(t, s, consumerPath("sub", "subscriptionType=Shared"+query))
			publish(t, s, "1", "2")
			first := c.expect("1", "2")[0]
			c.nack(first)
			sleep(delay - time.Millisecond)
			c.expect()
			sleep(time.Millisecond)
			again := c.expect("1")[0]
			if again.MessageID != first.MessageID || again.RedeliveryCount != 1 {
				t.Errorf("%s: redelivery %+v", query, again)
			}
			c.ack(again)
			acked(t, s, "sub", first.MessageID)
		})
	}
}

func TestNackOfExclusiveRedeliversAllUnacked(t *testing.T) {
	for _, kind := range []string{"Exclusive", "Failover"} {
		in(t, func(t *testing.T, s *pulsartest.Server) {
			c := dial(t, s, consumerPath("sub", "negativeAckRedeliveryDelay=1000&receiverQueueSize=4&subscriptionType="+kind))
			publish(t, s, numbers(1, 6)...)
			sleep(time.Second) // which an active consumer of Failover waits
			got := c.expect("1", "2", "3", "4")
			c.ack(got[1])
			c.expect("5")
			c.nack(got[2])
			c.expect("6")
			sleep(time.Second)
			c.expect() // the window is full
			for _, e := range []envelope{got[0], got[3]} {
				c.ack(e)
			}
			// 1 was fetched again before it was acknowledged.
			for i, e := range c.expect("1", "3") {
				if e.RedeliveryCount != 0 {
					t.Errorf("%s: redelivery %d has a count: %+v", kind, i, e)
				}
			}
		})
	}
}

func TestAckAfterNackIsHarmless(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "subscriptionType=Shared"))
		ids := publish(t, s, "1")
		e := c.expect("1")[0]
		c.nack(e)
		c.ack(e) // the proxy no longer knows the id, and reads it
		acked(t, s, "sub", ids...)
		sleep(2 * time.Minute)
		c.expect()
	})
}

func TestPendingNackIsForgottenAtDisconnect(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "subscriptionType=Shared"))
		publish(t, s, "1")
		c.nack(c.expect("1")[0])
		c.expect()
		c.close()
		again := dial(t, s, consumerPath("sub", "subscriptionType=Shared"))
		if e := again.expect("1")[0]; e.RedeliveryCount != 0 {
			t.Errorf("count %d", e.RedeliveryCount)
		}
	})
}

// The counts are lost with the last consumer, and only then.
func TestCountsFallBackWhenTheLastConsumerLeaves(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		const path = "subscriptionType=Shared&negativeAckRedeliveryDelay=1000"
		c := dial(t, s, consumerPath("sub", path))
		publish(t, s, "1")
		c.nack(c.expect("1")[0])
		sleep(time.Second)
		if e := c.expect("1")[0]; e.RedeliveryCount != 1 {
			t.Fatalf("count %d", e.RedeliveryCount)
		}
		other := dial(t, s, consumerPath("sub", path))
		c.close()
		if e := other.expect("1")[0]; e.RedeliveryCount != 1 {
			t.Errorf("count %d after one of two left, want 1 still", e.RedeliveryCount)
		}
		other.close()
		if e := dial(t, s, consumerPath("sub", path)).expect("1")[0]; e.RedeliveryCount != 0 {
			t.Errorf("count %d after the last left, want 0", e.RedeliveryCount)
		}
	})
}

func TestUnloadDeliversAgainOnTheSameConnection(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "subscriptionType=Shared&receiverQueueSize=3"))
		ids := publish(t, s, "1", "2")
		first := c.expect("1", "2")
		handle(t, s, topic).Unload()
		again := c.expect("1") // one unit of the window was left
		if again[0].MessageID != ids[0] {
			t.Errorf("redelivery %+v", again)
		}
		for _, e := range first {
			c.ack(e)
		}
		acked(t, s, "sub", ids...)
	})
}

func TestDeadLetters(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "subscriptionType=Shared&negativeAckRedeliveryDelay=1000&maxRedeliverCount=2"))
		id, err := s.Publish(topic, pulsartest.Message{Payload: []byte("bad"), Key: "k", Properties: map[string]string{"a": "b"}})
		if err != nil {
			t.Fatal(err)
		}
		letters := handle(t, s, topic+"-sub-DLQ")
		for n := range 3 {
			e := c.expect("bad")[0]
			if e.RedeliveryCount != n {
				t.Fatalf("delivery %d has count %d", n, e.RedeliveryCount)
			}
			if len(letters.Messages()) != 0 {
				t.Fatal("a dead letter too early")
			}
			c.nack(e)
			sleep(time.Second)
		}
		c.expect()
		acked(t, s, "sub", id)
		got := letters.Messages()
		if len(got) != 1 || string(got[0].Payload) != "bad" || got[0].Key != "k" {
			t.Fatalf("dead letters %+v", got)
		}
		want := map[string]string{
			"a": "b", "REAL_TOPIC": fullName, "REAL_SUBSCRIPTION": "sub", "ORIGIN_MESSAGE_ID": "1:0:-1", "ORIGIN_MESSAGE_IDY_TIME": "1:0:-1",
		}
		if fmt.Sprint(got[0].Properties) != fmt.Sprint(want) {
			t.Errorf("properties %v, want %v", got[0].Properties, want)
		}
	})
}

func TestDeadLetterTopicByNameAndByTimeout(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", query("subscriptionType", "Key_Shared", "ackTimeoutMillis", "1000",
			"maxRedeliverCount", "1", "deadLetterTopic", "acme/events/dead")))
		dead := dial(t, s, "/ws/v2/consumer/persistent/acme/events/dead/letters")
		publish(t, s, "1")
		c.expect("1")
		sleep(time.Second)
		c.expect("1")
		dead.expect()
		sleep(time.Second)
		c.expect()
		dead.expect("1")
	})
}

// Exclusive and Failover make no dead letters.
func TestExclusiveHasNoDeadLetters(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "negativeAckRedeliveryDelay=1000&maxRedeliverCount=1"))
		publish(t, s, "1")
		for range 5 {
			c.nack(c.expect("1")[0])
			sleep(time.Second)
		}
		c.expect("1")
		if n := count(s, pulsartest.OpDeadLetter); n != 0 {
			t.Errorf("%d dead letters", n)
		}
	})
}

func TestDelayedDelivery(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		shared := dial(t, s, consumerPath("shared", "subscriptionType=Shared"))
		plain := dial(t, s, consumerPath("plain", ""))
		p := dial(t, s, producerPath(""))
		p.send(`{"payload":"Mg==","deliverAfterMs":2000}`)
		p.send(fmt.Sprintf(`{"payload":"MQ==","deliverAt":%d}`, time.Now().Add(time.Second).UnixMilli()))
		p.send(`{"payload":"MA=="}`)
		plain.expect("2", "1", "0")
		shared.expect("0")
		sleep(time.Second)
		shared.expect("1")
		sleep(time.Second)
		shared.expect("2")
	})
}

func TestUnloadForgetsTheCounts(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "subscriptionType=Shared&negativeAckRedeliveryDelay=1000"))
		publish(t, s, "1")
		c.nack(c.expect("1")[0])
		sleep(time.Second)
		if e := c.expect("1")[0]; e.RedeliveryCount != 1 {
			t.Fatalf("count %d", e.RedeliveryCount)
		}
		handle(t, s, topic).Unload()
		if e := c.expect("1")[0]; e.RedeliveryCount != 0 {
			t.Errorf("count %d", e.RedeliveryCount)
		}
	})
}

// What was fetched ahead is fetched anew, not kept besides.
func TestNackOfExclusiveEmptiesTheQueue(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "negativeAckRedeliveryDelay=1000&receiverQueueSize=2"))
		publish(t, s, "1", "2", "3", "4")
		got := c.expect("1", "2")
		c.nack(got[0])
		c.expect("3")
		sleep(time.Second)
		// 4 was in the queue, behind 3, and must come once.
		next := got[1]
		for _, want := range []string{"1", "2", "3", "4"} {
			c.ack(next)
			next = c.expect(want)[0]
		}
		c.ack(next)
		c.expect()
	})
}

// A message that was given back has no acknowledgement timeout any more.
func TestNackEndsTheAckTimeout(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "subscriptionType=Shared&ackTimeoutMillis=1000&negativeAckRedeliveryDelay=5000"))
		publish(t, s, "1")
		c.nack(c.expect("1")[0])
		sleep(4 * time.Second)
		c.expect()
		sleep(time.Second)
		c.expect("1")
	})
}

package pulsartest_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

func TestNewSubscriptionStartsAtLatestUnlessTold(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		publish(t, s, "1")
		dial(t, s, consumerPath("a", "")).expect()
		b := dial(t, s, consumerPath("b", "subscriptionInitialPosition=Earliest"))
		b.ack(b.expect("1")[0])
		b.expect()
		b.close()
		// One that exists stays where it is.
		dial(t, s, consumerPath("b", "subscriptionInitialPosition=Earliest")).expect()
	})
}

func TestDurableSubscriptionCollectsWhileNobodyIsConnected(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		for _, sub := range []string{"durable", "passing"} {
			query := ""
			if sub == "passing" {
				query = "subscriptionMode=NonDurable"
			}
			c := dial(t, s, consumerPath(sub, query))
			c.close()
		}
		publish(t, s, "1")
		dial(t, s, consumerPath("durable", "")).expect("1")
		dial(t, s, consumerPath("passing", "")).expect()
		if got := handle(t, s, topic).Backlog("durable"); got != 1 {
			t.Errorf("backlog %d", got)
		}
	})
}

func TestSubscriptionTaken(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", ""))
		for _, kind := range []string{"Exclusive", "Shared", "Failover", "Key_Shared"} {
			if status := refused(t, s, consumerPath("sub", "subscriptionType="+kind)); status != http.StatusConflict {
				t.Errorf("%s beside Exclusive: %d", kind, status)
			}
		}
		c.close()
		// Without a consumer the type is free.
		shared := dial(t, s, consumerPath("sub", "subscriptionType=Shared"))
		if status := refused(t, s, consumerPath("sub", "subscriptionType=Key_Shared")); status != http.StatusConflict {
			t.Errorf("Key_Shared beside Shared: %d", status)
		}
		shared.close()
		dial(t, s, consumerPath("sub", "subscriptionType=Key_Shared"))
	})
}

// A client that waited for the answer to its close frame can dial again.
func TestSubscriptionIsFreeAfterAClose(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		for range 50 {
			dial(t, s, consumerPath("sub", "")).close()
		}
	})
}

func TestHalfOpenConnectionKeepsItsConsumer(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", ""))
		publish(t, s, "1")
		c.expect("1")
		s.Break(pulsartest.Mute())
		c.send(`{"messageId":"CAEQADAA"}`) // vanishes
		_ = c.ws.CloseNow()
		sleep(4 * time.Minute)
		if status := refused(t, s, consumerPath("sub", "")); status != http.StatusConflict {
			t.Fatalf("status %d", status)
		}
		sleep(time.Minute)
		dial(t, s, consumerPath("sub", "")).expect("1")
	})
}

func TestFailover(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		low := dial(t, s, consumerPath("sub", "subscriptionType=Failover&priorityLevel=2"))
		a := dial(t, s, consumerPath("sub", "subscriptionType=Failover&priorityLevel=1"))
		b := dial(t, s, consumerPath("sub", "subscriptionType=Failover"))
		publish(t, s, "1", "2")
		low.expect()
		sleep(time.Second) // activeConsumerFailoverDelayTimeMillis
		got := low.expect("1", "2")
		a.expect()
		b.expect()
		low.ack(got[0])
		low.expect()
		low.close()
		sleep(time.Second)
		b.expect("2")
		b.close()
		sleep(time.Second)
		a.expect("2")
	})
}

func TestUnsubscribe(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", ""))
		publish(t, s, "1")
		one := c.expect("1")[0]
		c.send(`{"type":"unsubscribe"}`)
		c.expect()
		publish(t, s, "2")
		c.ack(one)
		c.expect()
		if !c.open() {
			t.Fatal("the session ended, it should be open and silent")
		}
		if subs := handle(t, s, topic).Subscriptions(); len(subs) != 0 {
			t.Errorf("subscriptions %q", subs)
		}
		dial(t, s, consumerPath("sub", "")).expect()
	})
}

func TestUnsubscribeBesideOthersEndsTheConnection(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		a := dial(t, s, consumerPath("sub", "subscriptionType=Shared"))
		b := dial(t, s, consumerPath("sub", "subscriptionType=Shared"))
		a.send(`{"type":"unsubscribe"}`)
		if code := a.ended(); code != -1 {
			t.Errorf("closed with %d", code)
		}
		publish(t, s, "1")
		b.expect("1")
	})
}

func TestKeySharedKeepsKeysTogetherAndInOrder(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		clients := []*client{}
		for range 3 {
			clients = append(clients, dial(t, s, consumerPath("sub", "subscriptionType=Key_Shared&receiverQueueSize=7")))
		}
		for i := range 200 {
			if _, err := s.Publish(topic, pulsartest.Message{Key: fmt.Sprint("key", i%20), Payload: fmt.Append(nil, i)}); err != nil {
				t.Fatal(err)
			}
		}
		at := map[string]int{}   // the client of each key
		last := map[string]int{} // the number last seen
		used := map[int]bool{}
		for got := 0; got < 200; {
			sleep(0)
			before := got
			for n, c := range clients {
				for len(c.got) > 0 {
					e := <-c.got
					var i int
					_, _ = fmt.Sscan(string(e.Payload), &i)
					if before, ok := at[e.Key]; ok && before != n {
						t.Fatalf("key %s went from client %d to %d", e.Key, before, n)
					}
					if before, ok := last[e.Key]; ok && before >= i {
						t.Fatalf("key %s: %d after %d", e.Key, i, before)
					}
					at[e.Key], last[e.Key], used[n] = n, i, true
					got++
					c.ack(e)
				}
			}
			if got == before {
				t.Fatalf("stalled after %d messages", got)
			}
		}
		if len(used) != 3 {
			t.Errorf("%d of 3 consumers were used", len(used))
		}
	})
}

// A key that moves to a new consumer is held back until the old one has
// acknowledged all of it; a key that waits for redelivery holds back the rest.
func TestKeySharedHoldsBack(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		const path = "subscriptionType=Key_Shared&negativeAckRedeliveryDelay=1000"
		a := dial(t, s, consumerPath("sub", path))
		send := func(key, payload string) {
			if _, err := s.Publish(topic, pulsartest.Message{Key: key, Payload: []byte(payload)}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 20 {
			send(fmt.Sprint(i), fmt.Sprint(i, "-first"))
		}
		sleep(0)
		first := map[string]envelope{}
		for len(a.got) > 0 {
			e := <-a.got
			first[e.Key] = e
		}
		b := dial(t, s, consumerPath("sub", path))
		for i := range 20 {
			send(fmt.Sprint(i), fmt.Sprint(i, "-second"))
		}
		b.expect() // all its keys are still with a
		sleep(0)
		moved := len(first)
		for len(a.got) > 0 {
			<-a.got
			moved--
		}
		if moved == 0 || moved == 20 {
			t.Fatalf("%d of 20 keys moved", moved)
		}
		for _, e := range first {
			a.ack(e)
		}
		sleep(0)
		if got := len(b.got); got != moved {
			t.Errorf("%d messages came to the new consumer, want %d", got, moved)
		}
		a.expect()
	})
}

func TestKeySharedRedeliveryGoesFirst(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "subscriptionType=Key_Shared&negativeAckRedeliveryDelay=1000&receiverQueueSize=1"))
		for _, p := range numbers(1, 4) {
			if _, err := s.Publish(topic, pulsartest.Message{Key: "k", Payload: []byte(p)}); err != nil {
				t.Fatal(err)
			}
		}
		c.nack(c.expect("1")[0])
		two := c.expect("2")[0] // not held back by a delay in the proxy
		sleep(time.Second)
		c.ack(two)
		// 3 was fetched before the redelivery was asked for.
		c.ack(c.expect("3")[0])
		c.ack(c.expect("1")[0])
		c.expect("4")
	})
}

func TestNonPersistent(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		const name = "non-persistent://acme/events/live"
		c := dial(t, s, "/ws/v2/consumer/non-persistent/acme/events/live/sub?subscriptionType=Shared")
		send := func(p string) {
			// All of them have the one id.
			if id, err := s.Publish(name, pulsartest.Message{Payload: []byte(p)}); err != nil || id != "CAAQADAA" {
				t.Fatal(id, err)
			}
		}
		send("1")
		c.expect("1")
		c.close()
		send("2") // nobody is there
		c = dial(t, s, "/ws/v2/consumer/non-persistent/acme/events/live/sub?subscriptionType=Shared")
		send("3")
		c.expect("3")
	})
}

// Keys that wait for permits of one consumer go to others when they come.
func TestKeySharedMovesWhatWaits(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		const path = "subscriptionType=Key_Shared&receiverQueueSize=1"
		a := dial(t, s, consumerPath("sub", path))
		for i := range 40 {
			if _, err := s.Publish(topic, pulsartest.Message{Key: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		if got := len(a.all()); got > 1 {
			t.Fatalf("%d messages past a window of one", got)
		}
		b := dial(t, s, consumerPath("sub", path))
		if got := len(b.all()); got != 1 {
			t.Errorf("%d of the waiting messages came to the new consumer, want one", got)
		}
		a.close()
		total := 1
		for range 100 {
			b.send(`{"messageId":"CAkQCTAA"}`) // of nothing: a credit alone
			sleep(0)
			for len(b.got) > 0 {
				<-b.got
				total++
			}
		}
		if total != 40 {
			t.Errorf("%d of 40 came to the one who stayed", total)
		}
	})
}

package pulsartest_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

// partitioned runs a test with the topic in three partitions.
func partitioned(t *testing.T, f func(t *testing.T, s *pulsartest.Server)) {
	t.Helper()
	in(t, func(t *testing.T, s *pulsartest.Server) {
		if err := handle(t, s, topic).SetPartitions(3); err != nil {
			t.Fatal(err)
		}
		f(t, s)
	})
}

func (c *client) all() map[string]envelope {
	sleep(0)
	got := map[string]envelope{}
	for len(c.got) > 0 {
		e := <-c.got
		got[string(e.Payload)] = e
	}
	return got
}

func TestPartitionedConsumer(t *testing.T) {
	partitioned(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", ""))
		ids := publish(t, s, numbers(1, 6)...)
		got := c.all()
		if len(got) != 6 {
			t.Fatalf("got %d messages", len(got))
		}
		for _, e := range got {
			c.ack(e)
		}
		acked(t, s, "sub", ids...)
		for i := range 3 {
			part := handle(t, s, fmt.Sprint(topic, "-partition-", i))
			if n := len(part.Messages()); n != 2 {
				t.Errorf("partition %d has %d messages", i, n)
			}
		}
		// A key stays in its partition.
		for range 3 {
			if _, err := s.Publish(topic, pulsartest.Message{Key: "k"}); err != nil {
				t.Fatal(err)
			}
		}
		all := handle(t, s, topic).Messages()
		places := map[string]bool{}
		for _, m := range all {
			if m.Key == "k" {
				places[m.ID[:4]] = true
			}
		}
		if len(places) != 1 {
			t.Errorf("key in %d partitions", len(places))
		}
	})
}

// On another connection the id is rebuilt, and an acknowledgement refused
// without a word; a negative one works.
func TestMissOnPartitions(t *testing.T) {
	partitioned(t, func(t *testing.T, s *pulsartest.Server) {
		a := dial(t, s, consumerPath("sub", "subscriptionType=Shared"))
		b := dial(t, s, consumerPath("sub", "subscriptionType=Shared&negativeAckRedeliveryDelay=1000"))
		publish(t, s, numbers(1, 6)...)
		mine, others := a.all(), b.all()
		for _, e := range mine {
			b.ack(e)
		}
		b.expect()
		if n := handle(t, s, topic).Backlog("sub"); n != 6 || count(s, pulsartest.OpAckRefused) != len(mine) {
			t.Errorf("backlog %d, %d refused of %d", n, count(s, pulsartest.OpAckRefused), len(mine))
		}
		for _, e := range others {
			b.ack(e)
			b.nack(e) // a miss, which the acknowledgement wins
		}
		sleep(time.Second)
		if n := handle(t, s, topic).Backlog("sub"); n != len(mine) {
			t.Errorf("backlog %d", n)
		}
		if len(a.all())+len(b.all()) != 0 {
			t.Error("something came again")
		}
	})
}

func TestMissOnAPlainTopicWorks(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		a := dial(t, s, consumerPath("sub", "subscriptionType=Shared"))
		ids := publish(t, s, "1", "2")
		got := a.expect("1", "2")
		b := dial(t, s, consumerPath("sub", "subscriptionType=Shared"))
		b.ack(got[0])
		acked(t, s, "sub", ids[0])
		sleep(59 * time.Minute) // an hour is how long the proxy remembers
	})
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", ""))
		ids := publish(t, s, "1")
		e := c.expect("1")[0]
		sleep(time.Hour)
		c.ack(e)
		acked(t, s, "sub", ids...)
	}, pulsartest.IdleTimeout(0))
}

func TestLateAckOnPartitionsIsRefused(t *testing.T) {
	for after, want := range map[time.Duration]int{time.Hour - time.Second: 0, time.Hour: 1} {
		in(t, func(t *testing.T, s *pulsartest.Server) {
			if err := handle(t, s, topic).SetPartitions(1); err != nil {
				t.Fatal(err)
			}
			c := dial(t, s, consumerPath("sub", ""))
			publish(t, s, "1")
			e := c.expect("1")[0]
			sleep(after)
			c.ack(e)
			c.expect()
			if n := handle(t, s, topic).Backlog("sub"); n != want {
				t.Errorf("after %s: backlog %d", after, n)
			}
		}, pulsartest.IdleTimeout(0))
	}
}

func TestPartitionedRefusals(t *testing.T) {
	partitioned(t, func(t *testing.T, s *pulsartest.Server) {
		ids := publish(t, s, numbers(1, 3)...)
		for path, want := range map[string]int{
			consumerPath("sub", "receiverQueueSize=0"): http.StatusInternalServerError,
			readerPath(query("messageId", ids[0])):     http.StatusInternalServerError,
			readerPath("receiverQueueSize=0"):          http.StatusInternalServerError,
		} {
			if status := refused(t, s, path); status != want {
				t.Errorf("%s: %d", path, status)
			}
		}
		if got := dial(t, s, readerPath("messageId=earliest")).all(); len(got) != 3 {
			t.Errorf("got %d messages", len(got))
		}
		all := handle(t, s, topic+"-partition-1").Messages()
		one := dial(t, s, "/ws/v2/reader/persistent/acme/events/orders-partition-1?"+query("messageId", all[0].ID))
		one.expect()
		if err := handle(t, s, topic).SetPartitions(4); err == nil {
			t.Error("partitions were changed")
		}
	})
}

func TestManyTopics(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		send := func(topic, payload string) string {
			id, err := s.Publish(topic, pulsartest.Message{Payload: []byte(payload)})
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
		c := dial(t, s, "/ws/v3/consumer/sub?topics=acme/events/a,persistent://acme/events/b")
		id := send("acme/events/a", "1")
		send("acme/events/b", "2")
		got := c.expect("1", "2")
		c.ack(got[0])
		if err := s.WaitAcked(t.Context(), "acme/events/a", "sub", id); err != nil {
			t.Error(err)
		}
		c.ack(got[0]) // a miss
		c.expect()
		if count(s, pulsartest.OpAckRefused) != 1 {
			t.Error("a miss was acknowledged")
		}
		c.nack(got[0])
		if code := c.ended(); code != websocket.StatusInternalError {
			t.Errorf("a nack that missed ended with %d", code)
		}

		p := dial(t, s, "/ws/v3/consumer/sub2?"+query("topicsPattern", "acme/events/new.*"))
		send("acme/events/new-1", "3")
		send("acme/events/old-1", "4")
		p.expect("3")
	})
}

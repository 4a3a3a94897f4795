package pulsartest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

func TestReaderStarts(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		ids := publish(t, s, "1", "2", "3")
		for query, want := range map[string][]string{
			"messageId=earliest":       {"1", "2", "3"},
			"messageId=latest":         nil,
			"":                         nil,
			"messageId=":               nil,
			query("messageId", ids[0]): {"2", "3"}, // behind that message
			query("messageId", ids[2]): nil,
		} {
			c := dial(t, s, readerPath(query))
			c.expect(want...)
			c.close()
		}
		// Several readers do not disturb each other, and leave nothing behind.
		a, b := dial(t, s, readerPath("")), dial(t, s, readerPath(""))
		publish(t, s, "4")
		a.expect("4")
		b.expect("4")
		a.close()
		b.close()
		if subs := handle(t, s, topic).Subscriptions(); len(subs) != 0 {
			t.Errorf("subscriptions %q", subs)
		}
	})
}

func TestReaderStopsForEverWithoutCredits(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		publish(t, s, numbers(1, 1500)...)
		c := dial(t, s, readerPath("messageId=earliest"))
		c.expect(numbers(1, 1000)...)
		sleep(4 * time.Minute)
		c.expect()
		c.send(`{}`)
		c.expect("1001")
		if code := c.ended(); code != websocket.StatusGoingAway {
			t.Errorf("closed with %d, want the idle timeout's 1001", code)
		}
	})
}

func TestEveryTextOfAReaderIsACredit(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"messageId":"!!!"}`, `{"messageId":"CAEQADAA"}`, `{"type":"negativeAcknowledge","messageId":"x"}`,
		`{"type":"permit","permitMessages":100}`, `{"type":"permit"}`, `{"type":"unsubscribe"}`, `{"type":"anything"}`,
	} {
		in(t, func(t *testing.T, s *pulsartest.Server) {
			publish(t, s, "1", "2", "3", "4")
			c := dial(t, s, readerPath("messageId=earliest&receiverQueueSize=1"))
			c.expect("1")
			c.send(`{"type":"isEndOfTopic"}`) // this one is not
			if e := c.expect("")[0]; e.raw != `{"endOfTopic":false}` {
				t.Errorf("reply %s", e.raw)
			}
			c.send(text)
			c.expect("2")
		})
	}
}

func TestReaderWithoutQueueGetsNothing(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		publish(t, s, "1")
		c := dial(t, s, readerPath("messageId=earliest&receiverQueueSize=0"))
		c.send(`{}`)
		c.expect()
	})
}

func TestReaderMeetsAGap(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		ids := publish(t, s, numbers(1, 5)...)
		if !handle(t, s, topic).TrimTo(ids[2]) {
			t.Fatal("nothing was trimmed")
		}
		dial(t, s, readerPath(query("messageId", ids[0]))).expect("4", "5")
		dial(t, s, readerPath("messageId=earliest")).expect("4", "5")
		if handle(t, s, topic).TrimTo(ids[0]) {
			t.Error("trimmed what was gone")
		}
	})
}

func TestReaderResumesOverLedgers(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		first := publish(t, s, "1", "2")
		handle(t, s, topic).Unload()
		second := publish(t, s, "3", "4")
		if first[0] != "CAEQADAA" || second[0] != "CAIQADAA" { // entry 0 of ledgers 1 and 2
			t.Errorf("ids %q and %q", first, second)
		}
		for id, want := range map[string][]string{
			first[0]: {"2", "3", "4"}, first[1]: {"3", "4"}, second[0]: {"4"}, second[1]: nil,
			"CAAQADAA":             {"1", "2", "3", "4"}, // ledger 0
			"CAkQADAA":             nil,                  // ledger 9
			"CAEQCTAA":             {"3", "4"},           // entry 9 of ledger 1
			"CAEQ//////////9/MAA=": {"3", "4"},           // the greatest entry of ledger 1
			"CAEQ////////////ATAA": {"1", "2", "3", "4"}, // entry -1 of ledger 1
		} {
			c := dial(t, s, readerPath(query("messageId", id)))
			c.expect(want...)
			c.close()
		}
	})
}

func TestReaderRefusals(t *testing.T) {
	bad := map[string]int{
		"messageId=garbage!": http.StatusBadRequest, "messageId=Earliest": http.StatusBadRequest, "messageId=AAAA": http.StatusBadRequest,
		"messageId=CAEQAD+A":   http.StatusBadRequest, // an unencoded plus is a blank
		"receiverQueueSize=-1": http.StatusBadRequest, "receiverQueueSize=abc": http.StatusBadRequest,
	}
	in(t, func(t *testing.T, s *pulsartest.Server) {
		for query := range bad {
			if status := refused(t, s, readerPath(query)); status != http.StatusInternalServerError {
				t.Errorf("%s: %d", query, status)
			}
		}
		dial(t, s, readerPath("messageId=CAEQACAAMAE")) // the padding may be missing, and the message
	})
	in(t, func(t *testing.T, s *pulsartest.Server) {
		for query, want := range bad {
			if status := refused(t, s, readerPath(query)); status != want {
				t.Errorf("newer: %s: %d", query, status)
			}
		}
	}, pulsartest.Newer())
}

func TestEndOfTopic(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", ""))
		r := dial(t, s, readerPath(""))
		publish(t, s, "1")
		one := c.expect("1")[0]
		r.expect("1")
		ask := func(c *client, want string) {
			t.Helper()
			c.send(`{"type":"isEndOfTopic","unknown":1}`)
			if e := c.expect("")[0]; e.raw != want {
				t.Errorf("reply %s, want %s", e.raw, want)
			}
		}
		ask(c, `{"endOfTopic":false}`)
		handle(t, s, topic).Terminate()
		ask(c, `{"endOfTopic":false}`) // one is not acknowledged
		c.ack(one)
		ask(c, `{"endOfTopic":true}`)
		ask(r, `{"endOfTopic":true}`)
		if status := refused(t, s, producerPath("")); status != http.StatusServiceUnavailable {
			t.Errorf("producer on a terminated topic: %d", status)
		}
		dial(t, s, readerPath("messageId=earliest")).expect("1")
		// Who resumes behind the last message never learns of the end.
		ask(dial(t, s, readerPath(query("messageId", one.MessageID))), `{"endOfTopic":false}`)
		ask(dial(t, s, readerPath("messageId=latest")), `{"endOfTopic":true}`)
		ask(dial(t, s, consumerPath("late", "")), `{"endOfTopic":true}`)
		if _, err := s.Publish(topic, pulsartest.Message{}); err == nil {
			t.Error("published to a terminated topic")
		}
	})
}

func TestDeletedTopic(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		r := dial(t, s, readerPath(""))
		c := dial(t, s, consumerPath("sub", "subscriptionType=Key_Shared"))
		publish(t, s, "1", "2")
		r.expect("1", "2")
		old := c.expect("1", "2")[0]
		handle(t, s, topic).Delete()
		c.ack(old)
		ids := publish(t, s, "3")
		r.expect("3")
		c.ack(c.expect("3")[0])
		acked(t, s, "sub", ids...)
		if n := handle(t, s, topic).Backlog("sub"); n != 0 {
			t.Errorf("backlog %d", n)
		}
	})
	in(t, func(t *testing.T, s *pulsartest.Server) {
		orders := handle(t, s, topic)
		r, c := dial(t, s, readerPath("")), dial(t, s, consumerPath("sub", ""))
		orders.Delete()
		handle(t, s, topic)
		publish(t, s, "1")
		r.expect()
		c.expect()
		if !r.open() || !c.open() {
			t.Error("a session ended")
		}
	}, pulsartest.NoAutoCreate())
}

// A message that is trimmed while a consumer has it does not hold up its key.
func TestTrimmedWhileHeld(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		const path = "subscriptionType=Key_Shared&negativeAckRedeliveryDelay=100"
		a := dial(t, s, consumerPath("sub", path))
		ids := publishKey(t, s, "1", "2")
		got := a.expect("1", "2")
		handle(t, s, topic).TrimTo(ids[0])
		a.ack(got[0])
		a.nack(got[1])
		sleep(time.Second)
		a.ack(a.expect("2")[0])
		publishKey(t, s, "3")
		a.expect("3")
		if n := handle(t, s, topic).Backlog("sub"); n != 1 {
			t.Errorf("backlog %d", n)
		}
	})
}

func publishKey(t *testing.T, s *pulsartest.Server, payloads ...string) (ids []string) {
	t.Helper()
	for _, p := range payloads {
		id, err := s.Publish(topic, pulsartest.Message{Key: "k", Payload: []byte(p)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

package pulsarws_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
)

var redeliveryParities = []parity{
	{name: "nack_comes_again_after_its_delay", check: func(t *testing.T, p *place) {
		const delay = 2 * time.Second
		topic := p.topic()
		p.put(topic, "1", "2")
		c := p.open(consumer(topic, "sub", "subscriptionType", "Shared", "negativeAckRedeliveryDelay", fmt.Sprint(delay.Milliseconds())))
		got := c.take("1", "2")
		c.ack(got[1])
		nacked := time.Now()
		c.nack(got[0])
		c.silentFor(delay - p.early - time.Since(nacked))
		again := c.take("1")[0]
		if again.MessageID != got[0].MessageID || got[0].RedeliveryCount != 0 || again.RedeliveryCount != 1 {
			t.Errorf("first %s, then %s", got[0].raw, again.raw)
		}
		c.ack(again)
		c.silentFor(delay)
	}},
	{name: "nack_of_exclusive_brings_all_that_is_unacknowledged", check: func(t *testing.T, p *place) {
		for _, kind := range []string{"Exclusive", "Failover"} {
			topic := p.topic()
			p.put(topic, series(1, 4)...)
			c := p.open(consumer(topic, "sub", "subscriptionType", kind, "negativeAckRedeliveryDelay", "1000"))
			got := c.take(series(1, 4)...)
			c.ack(got[1])
			c.nack(got[2])
			for _, f := range c.take("1", "3", "4") {
				if f.RedeliveryCount != 0 {
					t.Errorf("%s: it has a count: %s", kind, f.raw)
				}
			}
			c.silent()
		}
	}},
	{name: "exclusive_has_no_dead_letters", check: func(t *testing.T, p *place) {
		topic, dead := p.topic(), p.topic()
		d := p.open(consumer(dead, "sub"))
		p.put(topic, "1")
		c := p.open(consumer(topic, "sub", "negativeAckRedeliveryDelay", "100", "maxRedeliverCount", "1", "deadLetterTopic", "persistent://"+dead))
		for range 4 {
			f := c.take("1")[0]
			if f.RedeliveryCount != 0 {
				t.Errorf("count %d", f.RedeliveryCount)
			}
			c.nack(f)
		}
		c.take("1")
		d.silent()
	}},
	// ServiceDeadLetters, from a Consumer's side.
	{name: "service_dead_letters", check: func(t *testing.T, p *place) {
		for kind, named := range map[pulsarws.SubscriptionType]bool{pulsarws.Shared: true, pulsarws.KeyShared: false} {
			topic := p.topic()
			dead, name := topic+"-sub-DLQ", ""
			if named {
				dead = topic + "-dead"
				name = dead
			}
			p.create(dead)
			letters := p.open(consumer(dead, "letters")) // one that nobody subscribes to keeps nothing
			id := p.putKeyed(topic, "k", "bad")[0]
			c := pulsarws.NewConsumer(p.url, topic, "sub", pulsarws.Subscribe(kind), pulsarws.FromEarliest(),
				pulsarws.ServiceDeadLetters(2, name), pulsarws.NackDelay(200*time.Millisecond), pulsarws.DialContext(p.dial), pulsarws.Logger(quiet))
			for attempt := 1; attempt <= 3; attempt++ {
				d := p.receive(c, "bad")[0]
				if d.Event.Attempt != attempt || d.Receipt != id {
					t.Errorf("%s: attempt %d of %s, want %d of %s", kind, d.Event.Attempt, d.Receipt, attempt, id)
				}
				if err := c.Nack(t.Context(), d); err != nil {
					t.Fatal(err)
				}
			}
			letter := letters.take("bad")[0]
			for property, want := range map[string]string{"REAL_TOPIC": "persistent://" + topic, "REAL_SUBSCRIPTION": "sub"} {
				if got := letter.Properties[property]; got != want {
					t.Errorf("%s: the dead letter's %s is %q, want %q", kind, property, got, want)
				}
			}
			if letter.Key != "k" || letter.Properties["ORIGIN_MESSAGE_ID"] == "" || letter.Properties["ORIGIN_MESSAGE_IDY_TIME"] == "" {
				t.Errorf("%s: dead letter %s", kind, letter.raw)
			}
			letters.silent()
			p.receiveNothing(c)
			p.end(c)
			// It was acknowledged on its way there.
			p.open(consumer(topic, "sub")).silent()
		}
	}},
	{name: "unacknowledged_comes_again_after_a_disconnect", check: func(t *testing.T, p *place) {
		for _, kind := range []string{"Exclusive", "Shared", "Key_Shared", "Failover"} {
			topic := p.topic()
			p.put(topic, series(1, 4)...)
			path := consumer(topic, "sub", "subscriptionType", kind)
			c := p.open(path)
			got := c.take(series(1, 4)...)
			c.ack(got[1])
			c.close()
			c = p.open(path)
			again := c.takeAll("1", "3", "4")
			c.ack(again["3"])
			c.silent() // so that the acknowledgement is there before the cut
			_ = c.ws.CloseNow()
			c = p.again(path)
			for _, f := range c.takeAll("1", "4") {
				if f.RedeliveryCount != 0 {
					t.Errorf("%s: the last consumer left, and there is a count: %s", kind, f.raw)
				}
			}
			c.silent()
		}
	}},
	{name: "a_pending_nack_is_forgotten_at_a_disconnect", check: func(t *testing.T, p *place) {
		topic := p.topic()
		p.put(topic, "1")
		path := consumer(topic, "sub", "subscriptionType", "Shared")
		c := p.open(path)
		c.nack(c.take("1")[0])
		c.silent()
		c.close()
		if f := p.open(path).take("1")[0]; f.RedeliveryCount != 0 {
			t.Errorf("count %d", f.RedeliveryCount)
		}
	}},
	{name: "key_shared_keeps_keys_together_and_in_order", check: func(t *testing.T, p *place) {
		const keys, each, consumers = 12, 20, 3
		topic := p.topic()
		type came struct {
			frame
			at int
		}
		all := make(chan came, keys*each)
		for at := range consumers {
			c := p.open(consumer(topic, "sub", "subscriptionType", "Key_Shared", "receiverQueueSize", "7"))
			go func() {
				for f := range c.got {
					all <- came{f, at}
					_ = c.ws.Write(t.Context(), 1, []byte(`{"messageId":"`+f.MessageID+`"}`))
				}
			}()
		}
		for i := range keys {
			p.putKeyed(topic, fmt.Sprint("key", i), series(1, each)...)
		}
		place, last, used := map[string]int{}, map[string]int{}, map[int]bool{}
		for range keys * each {
			var c came
			select {
			case c = <-all:
			case <-time.After(patience):
				t.Fatal("stalled")
			}
			if before, ok := place[c.Key]; ok && before != c.at {
				t.Errorf("%s went from consumer %d to %d", c.Key, before, c.at)
			}
			n, _ := strconv.Atoi(string(c.Payload))
			if n != last[c.Key]+1 {
				t.Errorf("%s: %d after %d", c.Key, n, last[c.Key])
			}
			place[c.Key], last[c.Key], used[c.at] = c.at, n, true
		}
		if len(used) < 2 {
			t.Error("one consumer got all keys")
		}
	}},
	{name: "key_shared_has_no_order_after_a_nack", check: func(t *testing.T, p *place) {
		topic := p.topic()
		p.putKeyed(topic, "k", "1", "2", "3")
		c := p.open(consumer(topic, "sub", "subscriptionType", "Key_Shared", "negativeAckRedeliveryDelay", "1500", "receiverQueueSize", "1"))
		c.nack(c.take("1")[0])
		c.ack(c.take("2")[0])
		c.ack(c.take("3")[0])
		c.take("1")
	}},
	{name: "failover_waits_before_its_first_message", check: func(t *testing.T, p *place) {
		topic := p.topic()
		p.put(topic, "1")
		p.open(consumer(topic, "sub", "subscriptionType", "Failover")).close() // makes the subscription
		began := time.Now()
		a := p.open(consumer(topic, "sub", "subscriptionType", "Failover"))
		a.take("1")
		if took := time.Since(began); took < time.Second-p.early {
			t.Errorf("the first message came after %v", took)
		}
		// Pulsar may choose one that joins; when a leaves it must.
		b := p.open(consumer(topic, "sub", "subscriptionType", "Failover"))
		a.close()
		b.take("1")
	}},
	{name: "answers_over_another_connection", check: func(t *testing.T, p *place) {
		one, another, parted := p.topic(), p.topic(), p.fresh()
		p.partition(parted, 2)
		for _, topic := range []string{one, parted} {
			p.putKeyed(topic, "k", "1", "2")
		}
		for i, c := range []struct {
			path func(sub string, params ...string) string
			want []string // what is left of 1 and 2 when 1 was acknowledged so
		}{
			{func(sub string, params ...string) string { return consumer(one, sub, params...) }, []string{"2"}},
			{func(sub string, params ...string) string { return several(sub, one, params...) }, []string{"2"}},
			// Of several topics or partitions it is lost without a word.
			{func(sub string, params ...string) string { return consumer(parted, sub, params...) }, []string{"1", "2"}},
			{func(sub string, params ...string) string { return several(sub, one+","+another, params...) }, []string{"1", "2"}},
		} {
			path := c.path(fmt.Sprint("sub", i), "subscriptionType", "Shared")
			a := p.open(path)
			got := a.take("1", "2")
			b := p.open(path)
			b.ack(got[0])
			b.silent() // so that it is there before a leaves
			a.close()
			b.takeAll(c.want...)
			b.silent()
		}
	}},
	{name: "nack_over_another_connection", check: func(t *testing.T, p *place) {
		one, another := p.topic(), p.topic()
		id := p.put(one, "1")[0]
		for _, path := range []string{consumer(one, "a", "subscriptionType", "Shared"), several("b", one, "subscriptionType", "Shared")} {
			p.open(path).take("1")
			b := p.open(path)
			b.send(nackText(id)) // of which b knows nothing
			b.silent()
		}
		b := p.open(several("c", one+","+another, "receiverQueueSize", "1"))
		b.take("1")
		b.ack(frame{MessageID: id})
		b.send(nackText(id))
		if code := b.ended(); code != websocket.StatusInternalError {
			t.Errorf("ended with %d", code)
		}
	}},
}

// again dials until the service has noticed that the consumer before is gone.
func (p *place) again(path string) *wire {
	p.t.Helper()
	for ctx := within(p.t); ctx.Err() == nil; {
		if w, _ := p.try(path); w != nil {
			return w
		}
	}
	p.t.Fatal("the subscription is not free")
	return nil
}

// receive wants events with these payloads next, in this order.
func (p *place) receive(tr eds.Transport, payloads ...string) []*eds.Delivery {
	p.t.Helper()
	var all []*eds.Delivery
	for _, want := range payloads {
		d, err := tr.Receive(within(p.t))
		if err != nil {
			p.t.Fatal(err)
		}
		if got := string(d.Event.Payload); got != want {
			p.t.Fatalf("received %s, want %s", got, want)
		}
		all = append(all, d)
	}
	return all
}

// receiveAll is receive in any order. It acknowledges them.
func (p *place) receiveAll(tr eds.Transport, payloads ...string) {
	p.t.Helper()
	left := map[string]bool{}
	for _, payload := range payloads {
		left[payload] = true
	}
	for range payloads {
		d, err := tr.Receive(within(p.t))
		if err != nil {
			p.t.Fatalf("%v; %d of %d are missing", err, len(left), len(payloads))
		}
		if got := string(d.Event.Payload); !left[got] {
			p.t.Fatalf("received %s, too many or unknown", got)
		}
		delete(left, string(d.Event.Payload))
		if err := tr.Ack(p.t.Context(), d); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *place) receiveNothing(tr eds.Transport) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), moment)
	defer cancel()
	if d, err := tr.Receive(ctx); err == nil {
		p.t.Fatalf("received %s, want nothing", d.Event.Payload)
	}
}

func (p *place) end(tr eds.Transport) {
	p.t.Helper()
	if err := tr.Close(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

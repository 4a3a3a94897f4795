package pulsarws_test

import (
	"net/http"
	"testing"

	"github.com/eventdelivery/eds-go/transport/pulsarws"
)

var topicParities = []parity{
	{name: "several_topics_one_of_them_partitioned", check: func(t *testing.T, p *place) {
		one, parted := p.topic(), p.fresh()
		p.partition(parted, 3)
		p.put(one, series(1, 5)...)
		for i, key := range []string{"a", "b", "c", "d", "e"} {
			p.putKeyed(parted, key, series(6+i, 6+i)...)
		}
		connect := func() *pulsarws.Consumer {
			return pulsarws.NewConsumer(p.url, one, "sub", pulsarws.Topics(parted), pulsarws.FromEarliest(),
				pulsarws.DialContext(p.dial), pulsarws.Logger(quiet), pulsarws.ReceiverQueueSize(4))
		}
		c := connect()
		p.receiveAll(c, series(1, 10)...)
		p.end(c)
		// All the acknowledgements had their effect.
		p.put(one, "11")
		p.put(parted, "12")
		c = connect()
		p.receiveAll(c, "11", "12")
		p.receiveNothing(c)
		p.end(c)
	}},
	{name: "topics_by_a_pattern", check: func(t *testing.T, p *place) {
		name := p.fresh()
		p.create(name + "-a")
		p.partition(name+"-b", 2)
		p.create(name + "-other")
		p.put(name+"-a", "1", "2")
		p.putKeyed(name+"-b", "k", "3", "4")
		p.put(name+"-other", "5")
		connect := func() *pulsarws.Consumer {
			return pulsarws.NewConsumer(p.url, "", "sub", pulsarws.TopicsPattern(name+"-[ab]"), pulsarws.Subscribe(pulsarws.Shared),
				pulsarws.FromEarliest(), pulsarws.DialContext(p.dial), pulsarws.Logger(quiet))
		}
		c := connect()
		p.receiveAll(c, series(1, 4)...)
		p.receiveNothing(c)
		p.end(c)
		c = connect()
		p.receiveNothing(c)
		p.end(c)
	}},
	{name: "end_of_topic", check: func(t *testing.T, p *place) {
		topic := p.topic()
		c := p.open(consumer(topic, "sub", "receiverQueueSize", "1"))
		r := p.open(reader(topic, "messageId", "earliest"))
		p.put(topic, "1", "2")
		one := c.take("1")[0]
		r.take("1", "2")
		ask := func(w *wire, want string) {
			t.Helper()
			w.send(`{"type":"isEndOfTopic","unknown":1}`)
			if f := w.next(); f.raw != want {
				t.Errorf("reply %s, want %s", f.raw, want)
			}
		}
		ask(c, `{"endOfTopic":false}`)
		p.terminate(topic)
		c.silent() // nobody says so unasked, and the question was no credit
		r.silent()
		ask(c, `{"endOfTopic":false}`)
		c.ack(one)
		two := c.take("2")[0]
		ask(c, `{"endOfTopic":false}`) // it is not acknowledged
		c.ack(two)
		c.silent()
		ask(c, `{"endOfTopic":true}`)
		ask(r, `{"endOfTopic":true}`)
		if status := p.refused(producer(topic)); status != http.StatusServiceUnavailable {
			t.Errorf("producer on a terminated topic: %d", status)
		}
		p.open(reader(topic, "messageId", "earliest")).take("1", "2")
		// Who resumes behind the last message never learns of the end.
		r = p.open(reader(topic, "messageId", two.MessageID))
		r.silent()
		ask(r, `{"endOfTopic":false}`)
	}},
	{name: "deleted_topic_is_silent", closed: true, check: func(t *testing.T, p *place) {
		topic := p.topic()
		c, r := p.open(consumer(topic, "sub")), p.open(reader(topic))
		p.remove(topic)
		c.silent()
		if status := p.refused(consumer(topic, "sub")); status != http.StatusNotFound {
			t.Errorf("consumer of no topic: %d", status)
		}
		if status := p.refused(reader(topic)); status != http.StatusInternalServerError {
			t.Errorf("reader of no topic: %d", status)
		}
		p.create(topic)
		p.put(topic, "1")
		c.silent()
		r.silent()
	}},
	{name: "unload_delivers_again_on_the_same_connection", check: func(t *testing.T, p *place) {
		topic := p.topic()
		p.put(topic, "1", "2")
		c := p.open(consumer(topic, "sub", "subscriptionType", "Shared"))
		first := c.takeAll("1", "2")
		p.unload(topic)
		again := c.takeAll("1", "2")
		if first["1"].MessageID != again["1"].MessageID || again["1"].RedeliveryCount != 0 {
			t.Errorf("first %s, then %s", first["1"].raw, again["1"].raw)
		}
	}},
	{name: "unsubscribe_leaves_the_connection_silent", check: func(t *testing.T, p *place) {
		topic := p.topic()
		p.put(topic, "1")
		c := p.open(consumer(topic, "sub"))
		one := c.take("1")[0]
		c.send(`{"type":"unsubscribe"}`)
		c.silent()
		p.put(topic, "2")
		c.ack(one)
		c.silent()
		// The subscription is gone: this is a new one.
		p.open(consumer(topic, "sub")).take("1", "2")
	}},
	{name: "unsubscribe_beside_others_ends_the_connection", check: func(t *testing.T, p *place) {
		topic := p.topic()
		path := consumer(topic, "sub", "subscriptionType", "Shared")
		a, b := p.open(path), p.open(path)
		a.send(`{"type":"unsubscribe"}`)
		if code := a.ended(); code != -1 {
			t.Errorf("closed with %d", code)
		}
		p.put(topic, "1")
		b.take("1")
	}},
	{name: "subscription_taken", check: func(t *testing.T, p *place) {
		topic := p.topic()
		c := p.open(consumer(topic, "sub"))
		for _, kind := range []string{"Exclusive", "Shared", "Failover", "Key_Shared"} {
			if status := p.refused(consumer(topic, "sub", "subscriptionType", kind)); status != http.StatusConflict {
				t.Errorf("%s beside Exclusive: %d", kind, status)
			}
		}
		c.close()
		shared := p.open(consumer(topic, "sub", "subscriptionType", "Shared")) // without a consumer the type is free
		if status := p.refused(consumer(topic, "sub", "subscriptionType", "Key_Shared")); status != http.StatusConflict {
			t.Errorf("Key_Shared beside Shared: %d", status)
		}
		shared.close()
	}},
}

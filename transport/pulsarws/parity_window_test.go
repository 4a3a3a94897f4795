package pulsarws_test

import (
	"net/http"
	"testing"
)

var windowParities = []parity{
	{name: "reader_stops_without_answers", check: func(t *testing.T, p *place) {
		topic := p.topic()
		p.put(topic, series(1, 12)...)
		r := p.open(reader(topic, "messageId", "earliest", "receiverQueueSize", "5"))
		got := r.take(series(1, 5)...)
		r.silent()
		r.ack(got[4]) // whichever
		r.take("6")
		for range 3 {
			r.send(`{}`)
		}
		r.take(series(7, 9)...)
		r.silent()
	}},
	{name: "every_text_of_a_reader_is_a_credit", check: func(t *testing.T, p *place) {
		topic := p.topic()
		ids := p.put(topic, series(1, 12)...)
		r := p.open(reader(topic, "messageId", "earliest", "receiverQueueSize", "1"))
		r.take("1")
		r.send(`{"type":"isEndOfTopic"}`) // this one is not
		if f := r.next(); f.raw != `{"endOfTopic":false}` {
			t.Errorf("reply %s", f.raw)
		}
		r.silent()
		for i, text := range []string{
			`{}`, `{"messageId":"!!!"}`, `{"messageId":"` + ids[0] + `"}`, `{"type":"negativeAcknowledge","messageId":"x"}`,
			`{"type":"permit","permitMessages":100}`, `{"type":"permit"}`, `{"type":"unsubscribe"}`, `{"type":"anything"}`,
		} {
			r.send(text)
			r.take(series(i+2, i+2)...)
		}
		r.silent()
	}},
	{name: "consumer_window_counts_deliveries", check: func(t *testing.T, p *place) {
		topic := p.topic()
		p.put(topic, series(1, 10)...)
		c := p.open(consumer(topic, "sub", "receiverQueueSize", "3", "subscriptionType", "Shared"))
		got := c.take("1", "2", "3")
		c.silent()
		c.ack(got[2])
		c.take("4")
		c.nack(got[0]) // gives its place back at once
		c.take("5")
		c.silent()
	}},
	{name: "superfluous_answers_widen_the_window", check: func(t *testing.T, p *place) {
		topic := p.topic()
		p.put(topic, "1")
		c := p.open(consumer(topic, "sub", "receiverQueueSize", "2"))
		one := c.take("1")[0]
		for range 4 { // the last three are too many
			c.ack(one)
		}
		c.silent()
		p.put(topic, series(2, 10)...)
		c.take("2", "3", "4", "5", "6")
		c.silent()
	}},
	{name: "ack_timeout_leaks_the_window", check: func(t *testing.T, p *place) {
		topic := p.topic()
		p.put(topic, "1")
		c := p.open(consumer(topic, "sub", "receiverQueueSize", "2", "subscriptionType", "Shared", "ackTimeoutMillis", "1000"))
		c.take("1")
		again := c.take("1")[0]
		if again.RedeliveryCount != 1 {
			t.Errorf("count %d", again.RedeliveryCount)
		}
		p.put(topic, "2")
		c.silentFor(4 * moment) // the window of two is full of one message
		c.ack(again)
		c.next()
	}},
	{name: "window_is_1000_at_most", check: func(t *testing.T, p *place) {
		topic := p.topic()
		p.put(topic, series(1, 1001)...)
		for _, params := range [][]string{nil, {"receiverQueueSize", "5000"}} {
			c := p.open(consumer(topic, "sub", params...))
			c.take(series(1, 1000)...)
			c.silent()
			c.close()
		}
	}},
	{name: "window_of_0", check: func(t *testing.T, p *place) {
		topic := p.topic()
		p.put(topic, "1", "2", "3")
		c := p.open(consumer(topic, "sub", "receiverQueueSize", "0", "subscriptionType", "Shared"))
		c.take("1")
		c.silent()
		// It fetches nothing ahead, so that another gets the rest.
		p.open(consumer(topic, "sub", "subscriptionType", "Shared")).take("2", "3")
		r := p.open(reader(topic, "messageId", "earliest", "receiverQueueSize", "0"))
		r.send(`{}`)
		r.silent()
	}},
	{name: "reader_with_a_window_of_1_that_begins_behind_a_message", check: func(t *testing.T, p *place) {
		topic := p.topic()
		ids := p.put(topic, "1", "2", "3")
		r := p.open(reader(topic, "messageId", ids[0], "receiverQueueSize", "2"))
		r.take("2", "3")
		r = p.open(reader(topic, "messageId", ids[0], "receiverQueueSize", "1"))
		r.silent()
		r.send(`{}`)
		r.silent()
		last := p.open(reader(topic, "messageId", ids[2], "receiverQueueSize", "1"))
		p.put(topic, "4")
		last.silent()
		// Within a batch it gets something.
		batched := p.topic()
		ids = p.putBatch(batched, "1", "2", "3")
		r = p.open(reader(batched, "messageId", ids[0], "receiverQueueSize", "1"))
		r.take("2")
		r.send(`{}`)
		r.take("3")
	}},
	{name: "permits", check: func(t *testing.T, p *place) {
		topic := p.topic()
		p.put(topic, series(1, 10)...)
		c := p.open(consumer(topic, "sub", "pullMode", "true", "subscriptionType", "Shared"))
		c.silent()
		c.permit(2)
		got := c.take("1", "2")
		c.ack(got[0]) // no answer counts
		c.nack(got[1])
		c.silent()
		c.permit(1)
		c.permit(3) // they add up
		c.take("3", "4", "5", "6")
		c.silent()
	}},
	{name: "pull_mode_prefetches", check: func(t *testing.T, p *place) {
		topic := p.topic()
		a := p.open(consumer(topic, "sub", "pullMode", "true", "subscriptionType", "Shared", "receiverQueueSize", "3"))
		p.put(topic, series(1, 5)...)
		b := p.open(consumer(topic, "sub", "subscriptionType", "Shared"))
		b.take("4", "5")
		b.silent()
		a.close()
		b.takeAll("1", "2", "3")
	}},
	{name: "refused_parameters", check: func(t *testing.T, p *place) {
		topic := p.topic()
		parted := p.fresh()
		p.partition(parted, 2)
		id := p.put(topic, "1")[0]
		part := p.put(parted, "1")[0]
		for path, want := range map[string]int{
			consumer(topic, "s", "maxRedeliverCount", "0"):           http.StatusBadRequest,
			consumer(topic, "s", "deadLetterTopic", topic+"-dead"):   http.StatusBadRequest,
			consumer(topic, "s", "subscriptionType", "shared"):       http.StatusBadRequest,
			consumer(topic, "s", "ackTimeoutMillis", "999"):          http.StatusBadRequest,
			consumer(topic, "s", "receiverQueueSize", "-1"):          http.StatusBadRequest,
			consumer(parted, "s", "receiverQueueSize", "0"):          http.StatusInternalServerError,
			several("s", topic+","+parted, "receiverQueueSize", "0"): http.StatusInternalServerError,
			several("s", parted, "receiverQueueSize", "0"):           http.StatusInternalServerError,
			several("s", topic+","+topic, "receiverQueueSize", "0"):  http.StatusSwitchingProtocols, // it is one topic
			"/ws/v3/consumer/s": http.StatusInternalServerError,
			reader(parted, "messageId", "earliest", "receiverQueueSize", "0"): http.StatusInternalServerError,
			reader(parted, "messageId", part):                                 http.StatusInternalServerError,
			reader(topic, "messageId", "Earliest"):                            http.StatusInternalServerError,
			reader(topic, "messageId", id[:len(id)-1]):                        http.StatusInternalServerError,
			reader(topic, "messageId", "AAAA"):                                http.StatusInternalServerError,
			reader(topic, "messageId", "CAEQAD-A"):                            http.StatusInternalServerError, // of the URL-safe letters
			reader(topic, "receiverQueueSize", "-1"):                          http.StatusInternalServerError,
			producer(topic, "messageRoutingMode", "Any"):                      http.StatusBadRequest,
			producer(topic, "sendTimeoutMillis", "x"):                         http.StatusBadRequest,
			"/ws/v2/consumer/persistent/" + topic:                             http.StatusBadRequest,
			"/ws/v2/other/persistent/" + topic:                                http.StatusNotFound,
		} {
			if got := p.refused(path); got != want {
				t.Errorf("%s: status %d, want %d", path, got, want)
			}
		}
	}},
	{name: "start_of_a_reader", check: func(t *testing.T, p *place) {
		topic := p.topic()
		ids := p.put(topic, "1", "2")
		p.unload(topic)
		ids = append(ids, p.put(topic, "3")...)
		for _, c := range []struct {
			from string
			want []string
		}{
			{"earliest", series(1, 3)}, {ids[0], series(2, 3)}, {ids[1], series(3, 3)}, {ids[2], nil}, {"latest", nil}, {"", nil},
		} {
			r := p.open(reader(topic, "messageId", c.from))
			r.take(c.want...)
			r.silent()
			r.close()
		}
	}},
}

package pulsarws_test

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/transport/cursor"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
)

var batchParities = []parity{
	{name: "batch_over_small_windows", check: func(t *testing.T, p *place) {
		topic := p.mixed()
		for i, opts := range [][]pulsarws.ConsumerOption{
			{pulsarws.ReceiverQueueSize(1)},
			{pulsarws.ReceiverQueueSize(3)},
			{pulsarws.ReceiverQueueSize(3), pulsarws.PullMode(), pulsarws.Subscribe(pulsarws.Shared)},
			{pulsarws.ReceiverQueueSize(7), pulsarws.Subscribe(pulsarws.KeyShared)},
		} {
			sub := fmt.Sprint("sub", i)
			connect := func() *pulsarws.Consumer {
				return pulsarws.NewConsumer(p.url, topic, sub, append(opts, pulsarws.FromEarliest(),
					pulsarws.DialContext(p.dial), pulsarws.Logger(quiet))...)
			}
			c := connect()
			p.receiveAll(c, series(1, 33)...)
			p.receiveNothing(c)
			p.end(c)
			c = connect()
			p.receiveNothing(c)
			p.end(c)
		}
	}},
	{name: "reader_resumes_within_a_batch", check: func(t *testing.T, p *place) {
		topic := p.mixed()
		for _, window := range []int{1, 3, 7} {
			store := cursor.NewMemory()
			for next := 1; next <= 33; next += 4 {
				r := pulsarws.NewReader(p.url, topic, pulsarws.From(pulsarws.Earliest), pulsarws.Cursor(store, "r"),
					pulsarws.ReceiverQueueSize(window), pulsarws.DialContext(p.dial), pulsarws.Logger(quiet))
				for i := next; i <= min(next+3, 33); i++ {
					d := p.receive(r, fmt.Sprint(i))[0]
					if err := r.Ack(t.Context(), d); err != nil {
						t.Fatal(err)
					}
				}
				if st := r.Stats(); st != (pulsarws.Stats{}) {
					t.Errorf("window %d, from %d: %+v", window, next, st)
				}
				p.end(r)
			}
		}
	}},
	{name: "start_of_a_reader_within_a_batch", check: func(t *testing.T, p *place) {
		topic := p.topic()
		ids := p.putBatch(topic, "1", "2", "3")
		ids = append(ids, p.put(topic, "4")...)
		for i, id := range ids {
			r := p.open(reader(topic, "messageId", id))
			r.take(series(i+2, 4)...)
			r.silent()
			r.close()
		}
		// An id that does not say where in the batch is before all of it.
		p.open(reader(topic, "messageId", entryOf(t, ids[1]))).take(series(1, 4)...)
	}},
	{name: "batch_comes_again_as_a_whole", check: func(t *testing.T, p *place) {
		for _, kind := range []string{"Exclusive", "Shared"} {
			topic := p.topic()
			p.putBatch(topic, "1", "2", "3")
			p.put(topic, "4")
			path := consumer(topic, "sub", "subscriptionType", kind, "negativeAckRedeliveryDelay", "500")
			c := p.open(path)
			got := c.take("1", "2", "3", "4")
			c.ack(got[0])
			c.ack(got[3])
			c.silent()
			c.close()
			c = p.open(path)
			got = c.take("1", "2", "3")
			c.silent()
			// Acknowledged messages of it come, too.
			c.ack(got[0])
			c.nack(got[1])
			got = c.take("1", "2", "3")
			for _, f := range got {
				if counts := kind == "Shared"; counts != (f.RedeliveryCount == 1) {
					t.Errorf("%s: count %d", kind, f.RedeliveryCount)
				}
				c.ack(f)
			}
			c.silent()
			c.close()
			p.open(path).silent()
		}
	}},
	{name: "batch_goes_to_one_consumer", check: func(t *testing.T, p *place) {
		topic := p.topic()
		path := consumer(topic, "sub", "subscriptionType", "Shared")
		one, other := p.open(path), p.open(path)
		for i := range 4 {
			p.putBatch(topic, fmt.Sprint(i, "a"), fmt.Sprint(i, "b"), fmt.Sprint(i, "c"))
		}
		came := map[*wire]string{}
		for range 4 * 3 {
			select {
			case f := <-one.got:
				came[one] += string(f.Payload)
			case f := <-other.got:
				came[other] += string(f.Payload)
			case <-time.After(patience):
				t.Fatalf("came %q and %q", came[one], came[other])
			}
		}
		for i := range 4 {
			batch := fmt.Sprintf("%da%db%dc", i, i, i)
			if !strings.Contains(came[one], batch) && !strings.Contains(came[other], batch) {
				t.Errorf("batch %d is not together in %q or %q", i, came[one], came[other])
			}
		}
	}},
	{name: "ack_of_a_batch_over_another_connection", check: func(t *testing.T, p *place) {
		topic := p.topic()
		p.putBatch(topic, "1", "2")
		path := consumer(topic, "sub", "subscriptionType", "Shared")
		a := p.open(path)
		got := a.take("1", "2")
		b := p.open(path)
		for _, f := range got {
			b.ack(f)
		}
		b.silent()
		a.close()
		b.take("1", "2") // lost without a word
	}},
}

// entryOf cuts from a message id (Pulsar's MessageIdData, in base64) what comes
// after the ledger and the entry.
func entryOf(t *testing.T, id string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(id)
	if err != nil {
		t.Fatal(err)
	}
	end := 0
	for range 2 {
		_, n := binary.Uvarint(b[end+1:])
		end += 1 + n
	}
	return base64.StdEncoding.EncodeToString(b[:end])
}

// mixed makes a topic of 33 messages: 1 to 10 and 11 to 20 are batches, 21 to
// 23 are not, 24 to 33 are one.
func (p *place) mixed() string {
	topic := p.topic()
	p.putBatch(topic, series(1, 10)...)
	p.putBatch(topic, series(11, 20)...)
	p.put(topic, series(21, 23)...)
	p.putBatch(topic, series(24, 33)...)
	return topic
}

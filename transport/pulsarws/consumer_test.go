package pulsarws

// fake time: all tests here run in a bubble

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

// The service delivers nothing again to a consumer that is connected, unless
// it is told to: a Nack comes back after its delay, with its count.
func TestConsumerNack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		faults.Covers(t, "B38")
		s := newStandIn(t)
		s.publish("m0", "m1")
		c := s.consumer(Subscribe(Shared), NackDelay(5*time.Second))
		got := take(t, c, 2)
		until(t, c, time.Hour) // by itself nothing comes again
		for attempt := 2; attempt <= 4; attempt++ {
			nackIt(t, c, got[0])
			start := time.Now()
			again := must(t, c)
			if took := time.Since(start); took != 5*time.Second || again.Event.Attempt != attempt || again.Receipt != got[0].Receipt {
				t.Errorf("after %v: %+v", took, again)
			}
			got[0] = again
		}
		for _, d := range got {
			ackIt(t, c, d)
		}
		until(t, c, time.Hour)
		c.Close(t.Context())
		if short := s.balanced(); short != 0 || s.topic().Backlog(aSub) != 0 {
			t.Errorf("%d not answered, backlog %d", short, s.topic().Backlog(aSub))
		}
	})
}

// With AckTimeout the service delivers again what is still being handled: each
// of the deliveries is answered, and the window does not leak.
func TestConsumerAckTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newStandIn(t)
		s.publish("m0", "m1", "m2", "m3")
		c := s.consumer(Subscribe(Shared), AckTimeout(10*time.Second), ReceiverQueueSize(4))
		var slow []*eds.Delivery
		for len(slow) < 3 {
			if d := must(t, c); string(d.Event.Payload) == "m0" {
				if d.Deadline.Sub(d.Received) != 10*time.Second {
					t.Errorf("deadline %v", d.Deadline.Sub(d.Received))
				}
				slow = append(slow, d)
			} else {
				ackIt(t, c, d)
			}
		}
		if slow[0].Tag == slow[1].Tag || slow[0].Receipt != slow[1].Receipt {
			t.Errorf("%+v", slow)
		}
		for _, d := range slow {
			ackIt(t, c, d)
			ackIt(t, c, d)
		}
		until(t, c, time.Minute)
		c.Close(t.Context())
		if short := s.balanced(); short != 0 {
			t.Errorf("%d deliveries were not answered", short)
		}
	})
}

// The service forgets a delivery after an hour, so that an acknowledgement may
// come to nothing: the deadline says so.
func TestConsumerDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		faults.Covers(t, "B41")
		s := newStandIn(t, pulsartest.BatchIDs())
		if err := s.topic().SetPartitions(2); err != nil {
			t.Fatal(err)
		}
		s.publish("m0", "m1")
		c := s.consumer(Subscribe(Shared))
		got := take(t, c, 2)
		for _, d := range got {
			if d.Deadline.Sub(d.Received) != time.Hour {
				t.Errorf("deadline %v", d.Deadline.Sub(d.Received))
			}
		}
		until(t, c, time.Until(got[0].Deadline)-time.Minute)
		ackIt(t, c, got[0])
		until(t, c, 5*time.Minute)
		ackIt(t, c, got[1]) // in vain
		synctest.Wait()
		if n := s.topic().Backlog(aSub); n != 1 || s.count(0, pulsartest.OpAckRefused) != 1 {
			t.Errorf("backlog %d", n)
		}
	})
}

// An acknowledgement is not confirmed. One that is lost, or is cut off, makes
// the message come again: at least once.
func TestConsumerAckIsLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		faults.Covers(t, "B39")
		s := newStandIn(t)
		ids := s.publish("m0", "m1")
		s.OnCommand(pulsartest.Ack, pulsartest.Lose(), pulsartest.ForMessage(ids[0]))
		c := s.consumer()
		got := take(t, c, 2)
		for _, d := range got {
			ackIt(t, c, d)
		}
		until(t, c, time.Minute)
		s.Break(pulsartest.Drop())
		again := take(t, c, 1)
		expect(t, again, "m0")
		for _, d := range got {
			if err := c.Ack(t.Context(), d); err != eds.ErrReceiptLost {
				t.Errorf("Ack of a delivery of the lost connection = %v", err)
			}
		}
		ackIt(t, c, again[0])
		c.Close(t.Context())
		if n := s.topic().Backlog(aSub); n != 0 {
			t.Errorf("backlog %d", n)
		}
	})
}

// While another consumer holds an Exclusive subscription this one stands by,
// and takes over when that one leaves, with all that it had not acknowledged.
func TestConsumerTakesOver(t *testing.T) {
	for _, leave := range []string{"close", "drop"} {
		bubble(t, func(t *testing.T) {
			s := newStandIn(t)
			s.publish("m0", "m1")
			first, second := s.consumer(), s.consumer()
			got := take(t, first, 2)
			ackIt(t, first, got[0])
			ctx, cancel := context.WithCancel(t.Context())
			var receiving sync.WaitGroup
			receiving.Go(func() { first.Receive(ctx) })
			until(t, second, 10*time.Minute)
			if st := second.Status(); st.State != eds.Standby || st.Connects != 0 {
				t.Errorf("%+v", st)
			}
			cancel()
			receiving.Wait()
			if leave == "close" {
				first.Close(t.Context())
			} else {
				s.Break(pulsartest.Drop())
			}
			start := time.Now()
			expect(t, take(t, second, 1), "m1")
			if took := time.Since(start); took > 31*time.Second {
				t.Errorf("took over after %v", took)
			}
			if st := second.Status(); st.State != eds.Connected {
				t.Errorf("%+v", st)
			}
		})
	}
}

// In pull mode the service sends what it was asked for. In whatever order the
// messages are settled, it is never asked for more than the window, and never
// runs dry.
func TestPermits(t *testing.T) {
	for _, window := range []int{1, 2, 3, 4, 5, 16, 256} {
		for _, kind := range []SubscriptionType{Exclusive, Shared} {
			t.Run(fmt.Sprint(window, kind), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					const total = 1000
					s := newStandIn(t)
					for i := range total {
						s.publish(fmt.Sprint("m", i))
					}
					c := s.consumer(Subscribe(kind), PullMode(), ReceiverQueueSize(window))
					var open []*eds.Delivery
					random := rand.New(rand.NewPCG(uint64(window), 1))
					for settled := 0; settled < total; {
						// The window must be filled before anything is settled.
						if len(open) < min(window-max(window/4, 1)+1, total-settled) || random.IntN(2) == 0 && settled+len(open) < total && len(open) < window/2 {
							open = append(open, must(t, c))
							continue
						}
						i := random.IntN(len(open))
						ackIt(t, c, open[i])
						open = slices.Delete(open, i, i+1)
						settled++
					}
					synctest.Wait()
					permitted, delivered, answered, most := 0, 0, 0, 0
					for _, r := range s.History() {
						switch r.Op {
						case pulsartest.OpPermit:
							permitted += r.Count
							if r.Count < 1 {
								t.Errorf("%v", r)
							}
						case pulsartest.OpDeliver, pulsartest.OpRedeliver:
							delivered++
						case pulsartest.OpAck:
							answered++
						}
						if permitted-answered > window {
							t.Fatalf("%d permitted, %d answered: %v", permitted, answered, r)
						}
						most = max(most, delivered-answered)
					}
					if most > window || delivered != total {
						t.Errorf("%d delivered, %d unsettled at most", delivered, most)
					}
					c.Close(t.Context())
				})
			})
		}
	}
}

// Each connection is asked for its own messages: permits do not outlive one.
func TestPermitsAfterAReconnect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newStandIn(t)
		for i := range 40 {
			s.publish(fmt.Sprint("m", i))
		}
		c := s.consumer(PullMode(), ReceiverQueueSize(8))
		acked := map[string]bool{}
		for len(acked) < 40 {
			d := must(t, c)
			if len(acked)%7 == 3 && s.count(0, pulsartest.OpConnect) < 6 {
				s.Break(pulsartest.Drop())
				continue
			}
			if c.Ack(t.Context(), d) == nil {
				acked[string(d.Event.Payload)] = true
			}
		}
		until(t, c, time.Minute)
		c.Close(t.Context())
		per := map[int]int{}
		for _, r := range s.History() {
			switch r.Op {
			case pulsartest.OpPermit:
				per[r.Conn] += r.Count
			case pulsartest.OpAck, pulsartest.OpAckUnknown, pulsartest.OpAckDuplicate:
				per[r.Conn]--
			}
			if per[r.Conn] > 8 {
				t.Errorf("%d permits are out: %v", per[r.Conn], r)
			}
		}
	})
}

// Over the endpoint v3 the messages of several topics come on one connection.
func TestConsumerOfSeveralTopics(t *testing.T) {
	for _, name := range []string{"topics", "pattern"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newStandIn(t)
				for _, topic := range []string{aTopic, "acme/events/b", "acme/events/c d"} {
					if _, err := s.Publish(topic, pulsartest.Message{Payload: []byte(topic)}); err != nil {
						t.Fatal(err)
					}
				}
				opts := []ConsumerOption{FromEarliest(), DialContext(s.DialContext), Logger(quietly)}
				var c *Consumer
				if name == "pattern" {
					c = NewConsumer(s.URL(), "", aSub, append(opts, TopicsPattern("acme/events/.*"))...)
				} else {
					c = NewConsumer(s.URL(), aTopic, aSub, append(opts, Topics("acme/events/b", "persistent://acme/events/c d"))...)
				}
				s.closed(c)
				got := take(t, c, 3)
				for i, d := range got {
					if d.Event.Source != "pulsar://127.0.0.1/billing" || d.Err != nil {
						t.Errorf("%+v", d)
					}
					if i == 0 {
						s.Break(pulsartest.Drop())
					}
				}
				again := take(t, c, 3)
				for _, d := range again {
					ackIt(t, c, d)
				}
				until(t, c, time.Minute)
				c.Close(t.Context())
				if short := s.balanced(); short != 0 {
					t.Errorf("%d deliveries were not answered", short)
				}
			})
		})
	}
}

// What the service itself moves to its dead-letter topic.
func TestServiceDeadLetters(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newStandIn(t)
		dead, err := s.Topic("acme/events/dead")
		if err != nil {
			t.Fatal(err)
		}
		dead.Subscribe("keeper", false)
		s.publish("m0")
		c := s.consumer(Subscribe(Shared), ServiceDeadLetters(2, "acme/events/dead"), NackDelay(time.Second))
		for attempt := 1; attempt <= 3; attempt++ {
			d := must(t, c)
			if d.Event.Attempt != attempt {
				t.Errorf("attempt %d, want %d", d.Event.Attempt, attempt)
			}
			nackIt(t, c, d)
		}
		until(t, c, time.Minute)
		if m := dead.Messages(); len(m) != 1 || string(m[0].Payload) != "m0" || m[0].Properties["REAL_SUBSCRIPTION"] != aSub {
			t.Errorf("dead letters %+v", m)
		}
	})
}

// Through disorder of every kind each delivery gets one answer at most, on the
// connection that brought it, and nothing is lost.
func TestOneAnswerForEachDelivery(t *testing.T) {
	faults.Covers(t, "B37", "B28")
	for _, kind := range []SubscriptionType{Exclusive, Failover, Shared, KeyShared} {
		for seed := range uint64(6) {
			t.Run(fmt.Sprint(kind, seed), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					const total = 120
					random := rand.New(rand.NewPCG(seed, 7))
					s := newStandIn(t)
					for i := range total {
						s.publish(fmt.Sprint("m", i))
					}
					opts := []ConsumerOption{Subscribe(kind), ReceiverQueueSize(1 + random.IntN(20)), NackDelay(100 * time.Millisecond)}
					if seed%2 == 1 {
						opts = append(opts, PullMode())
					}
					if seed%3 == 2 {
						opts = append(opts, AckTimeout(time.Second))
					}
					c := s.consumer(opts...)
					var mu sync.Mutex
					done := map[string]bool{}
					var work sync.WaitGroup
					for breaks := 0; s.topic().Backlog(aSub) > 0 || s.count(0, pulsartest.OpConnect) == 0; {
						ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
						d, err := c.Receive(ctx)
						cancel()
						if err != nil {
							continue // what is left comes after its delay
						}
						fate, pause := random.IntN(10), time.Duration(random.IntN(3000))*time.Millisecond
						work.Go(func() {
							time.Sleep(pause)
							if fate < 3 {
								if err := c.Nack(t.Context(), d); err != nil && !errors.Is(err, eds.ErrReceiptLost) && !strings.Contains(err.Error(), "cannot settle") {
									t.Error(err)
								}
							}
							for range 2 {
								err := c.Ack(t.Context(), d)
								if err == nil && fate >= 3 {
									mu.Lock()
									done[string(d.Event.Payload)] = true
									mu.Unlock()
								}
							}
						})
						if random.IntN(25) == 0 && breaks < 8 {
							breaks++
							s.Break([]pulsartest.Breakage{pulsartest.Drop(), pulsartest.Reset(), pulsartest.Close(1001, ""), pulsartest.Close(1011, "x")}[random.IntN(4)])
						}
					}
					work.Wait()
					if len(done) != total {
						t.Errorf("%d of %d were acknowledged", len(done), total)
					}
					c.Close(t.Context())
					s.balanced()
				})
			})
		}
	}
}

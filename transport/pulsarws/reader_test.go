package pulsarws

// fake time: all tests here run in a bubble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/internal/linktest"
	"github.com/eventdelivery/eds-go/internal/wslink"
	"github.com/eventdelivery/eds-go/transport/cursor"
	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

// standIn is a Pulsar with one topic, for a bubble.
type standIn struct {
	t tester
	*pulsartest.Server
	names map[string]string // of messages, by id
}

// tester is a testing.TB or a *rapid.T.
type tester interface {
	Helper()
	Fatal(args ...any)
	Errorf(format string, args ...any)
}

func newStandIn(t testing.TB, opts ...pulsartest.Option) *standIn {
	return &standIn{t: t, Server: pulsartest.NewTestServer(t, opts...), names: map[string]string{}}
}

// publish publishes messages whose payloads are these names.
func (s *standIn) publish(names ...string) (ids []string) {
	s.t.Helper()
	for _, name := range names {
		id, err := s.Publish(aTopic, pulsartest.Message{Payload: []byte(name)})
		if err != nil {
			s.t.Fatal(err)
		}
		s.names[id] = name
		ids = append(ids, id)
	}
	return ids
}

func (s *standIn) topic() *pulsartest.Topic {
	topic, err := s.Topic(aTopic)
	if err != nil {
		s.t.Fatal(err)
	}
	return topic
}

func (s *standIn) reader(opts ...ReaderOption) *Reader {
	r := NewReader(s.URL(), aTopic, append([]ReaderOption{From(Earliest), DialContext(s.DialContext), Logger(quietly)}, opts...)...)
	s.closed(r)
	return r
}

func (s *standIn) consumer(opts ...ConsumerOption) *Consumer {
	c := NewConsumer(s.URL(), aTopic, aSub, append([]ConsumerOption{FromEarliest(), DialContext(s.DialContext), Logger(quietly)}, opts...)...)
	s.closed(c)
	return c
}

// closed sees to it that c is, whatever the test comes to.
func (s *standIn) closed(c eds.Transport) {
	if t, ok := s.t.(*testing.T); ok {
		t.Cleanup(func() { c.Close(context.WithoutCancel(t.Context())) })
	}
}

// count counts the records of a connection; of all when it is 0.
func (s *standIn) count(conn int, ops ...pulsartest.Op) (n int) {
	for _, r := range s.History() {
		if slices.Contains(ops, r.Op) && (conn == 0 || r.Conn == conn) {
			n++
		}
	}
	return n
}

// balanced checks that no connection was given more answers than it delivered,
// and returns how many answers each delivery of the last one is short of.
func (s *standIn) balanced() (short int) {
	s.t.Helper()
	deliveries, answers, latest := map[int]int{}, map[int]int{}, 0
	for _, r := range s.History() {
		switch r.Op {
		case pulsartest.OpDeliver, pulsartest.OpRedeliver:
			deliveries[r.Conn]++
		case pulsartest.OpCredit, pulsartest.OpAck, pulsartest.OpNack, pulsartest.OpAckDuplicate, pulsartest.OpAckUnknown:
			answers[r.Conn]++
		case pulsartest.OpConnect:
			latest = r.Conn
		case pulsartest.OpBadCommand, pulsartest.OpAckRefused:
			s.t.Errorf("%v", r)
		default:
			continue
		}
		if answers[r.Conn] > deliveries[r.Conn] {
			s.t.Errorf("answer %d on connection %d, which has brought %d: %v", answers[r.Conn], r.Conn, deliveries[r.Conn], r)
		}
	}
	return deliveries[latest] - answers[latest]
}

func names(ds ...*eds.Delivery) (all []string) {
	for _, d := range ds {
		all = append(all, string(d.Event.Payload))
	}
	return all
}

// take receives n deliveries.
func take(t testing.TB, c eds.Transport, n int) (all []*eds.Delivery) {
	t.Helper()
	for range n {
		all = append(all, must(t, c))
	}
	return all
}

func expect(t testing.TB, got []*eds.Delivery, want ...string) {
	t.Helper()
	if !slices.Equal(names(got...), want) {
		t.Errorf("received %v, want %v", names(got...), want)
	}
}

func TestReaderResumesAfterARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		faults.Covers(t, "B40")
		s, store := newStandIn(t), cursor.NewMemory()
		s.publish("m0", "m1", "m2", "m3", "m4")
		r := s.reader(Cursor(store, ""))
		got := take(t, r, 4)
		for _, i := range []int{3, 0, 1} {
			ackIt(t, r, got[i])
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if p, _ := store.Load(t.Context(), "persistent://"+aTopic); p != got[1].Receipt {
			t.Errorf("position %q, want that of m1", p)
		}
		s.publish("m5")
		r = s.reader(Cursor(store, ""), From(Latest))
		got = take(t, r, 4)
		expect(t, got, "m2", "m3", "m4", "m5")
		for _, d := range got {
			ackIt(t, r, d)
		}
		r.Close(t.Context())
		r = s.reader(Cursor(store, ""))
		until(t, r, time.Minute)
		s.publish("m6")
		expect(t, take(t, r, 1), "m6")
		r.Close(t.Context())
		s.balanced()
	})
}

// dying is a store that takes nothing any more once the process is dead.
type dying struct {
	cursor.Store
	mu    sync.Mutex
	err   error
	saves int
}

func (d *dying) Save(ctx context.Context, name, position string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.saves++
	if d.err != nil {
		return d.err
	}
	return d.Store.Save(ctx, name, position)
}

func (d *dying) Load(ctx context.Context, name string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return "", d.err
	}
	return d.Store.Load(ctx, name)
}

func (d *dying) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// A crash repeats what was settled since the last save, and skips nothing.
func TestReaderCrashes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, store := newStandIn(t), &dying{Store: cursor.NewMemory()}
		s.publish("m0", "m1", "m2", "m3", "m4")
		r := s.reader(Cursor(store, "r"), SaveEvery(time.Hour))
		ackIt(t, r, must(t, r))
		synctest.Wait() // m0 is saved, the next save is an hour away
		for range 3 {
			ackIt(t, r, must(t, r))
		}
		store.fail(errors.New("dead"))
		if err := r.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "dead") {
			t.Errorf("Close = %v, with a position that is not saved", err)
		}
		store.fail(nil)
		r = s.reader(Cursor(store, "r"))
		expect(t, take(t, r, 4), "m1", "m2", "m3", "m4")
		r.Close(t.Context())
	})
}

// A store that cannot be read costs no dial: to begin anywhere would skip or
// repeat.
func TestReaderWaitsForItsStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, store := newService(t, nil), &dying{Store: cursor.NewMemory(), err: errors.New("store is down")}
		s.Answer = sound(message(3))
		r := s.reader(Cursor(store, "r"))
		until(t, r, time.Hour)
		if s.Count() != 0 {
			t.Errorf("dialed from %q without a position", s.froms())
		}
		if st := r.Status(); st.State != eds.Connecting || st.Err == nil || !strings.Contains(st.Err.Error(), "store is down") {
			t.Errorf("%+v", st)
		}
		store.fail(nil)
		store.Save(t.Context(), "r", at(2))
		if d := must(t, r); d.Receipt != at(3) || !slices.Equal(s.froms(), []string{at(2)}) {
			t.Errorf("%+v, began at %q", d, s.froms())
		}
	})
}

func TestReaderRefusesABadPosition(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, store := newService(t, sound()), cursor.NewMemory()
		store.Save(t.Context(), "r", "no position")
		r := s.reader(Cursor(store, "r"))
		for range 2 {
			_, err := r.Receive(t.Context())
			if ce, ok := errors.AsType[*eds.ConfigError](err); !ok || ce.Setting != "Cursor" {
				t.Errorf("Receive = %v", err)
			}
		}
		if s.Count() != 0 {
			t.Errorf("dialed from %q", s.froms())
		}
	})
}

// A store that cannot be written costs repetitions at a restart, and nothing
// until then.
func TestReaderGoesOnWithoutSaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, store := newStandIn(t), &dying{Store: cursor.NewMemory()}
		s.publish("m0", "m1", "m2")
		r := s.reader(Cursor(store, "r"))
		ackIt(t, r, must(t, r))
		synctest.Wait()
		store.fail(errors.New("disk full"))
		for _, want := range []string{"m1", "m2"} {
			got := take(t, r, 1)
			expect(t, got, want)
			ackIt(t, r, got[0])
		}
		until(t, r, time.Hour)
		synctest.Wait()
		if store.saves < 5 {
			t.Errorf("%d saves were tried", store.saves)
		}
		store.fail(nil)
		until(t, r, time.Minute)
		if p, _ := store.Load(t.Context(), "r"); p != r.mark.Position() || p == "" {
			t.Errorf("saved %q, at %q", p, r.mark.Position())
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A reader that begins with the latest message goes on with the first one that
// it was given, whether or not that was settled.
func TestReaderPinsItsStart(t *testing.T) {
	for name, opts := range map[string][]pulsartest.Option{"plain": nil, "batch": {pulsartest.BatchIDs()}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, store := newStandIn(t, opts...), &dying{Store: cursor.NewMemory()}
				s.publish("old")
				r := s.reader(Cursor(store, "r"), From(Latest), RedeliveryDelay(time.Hour))
				until(t, r, time.Second)
				s.publish("m0", "m1")
				got := take(t, r, 2)
				expect(t, got, "m0", "m1")
				ackIt(t, r, got[1])
				s.Break(pulsartest.Drop())
				s.publish("m2")
				got = take(t, r, 2)
				expect(t, got, "m0", "m2")
				synctest.Wait()
				store.fail(errors.New("dead"))
				r.Close(t.Context())
				store.fail(nil)

				r = s.reader(Cursor(store, "r"), From(Latest))
				expect(t, take(t, r, 3), "m0", "m1", "m2")
				r.Close(t.Context())
			})
		})
	}
}

// Pulsar begins after the position. A service that begins with it is given the
// credit, and the event is not handed out again.
func TestReaderDropsItsOwnPosition(t *testing.T) {
	store := cursor.NewMemory()
	store.Save(t.Context(), "r", at(4))
	for name, begin := range map[string][]ReaderOption{
		"saved":           {Cursor(store, "r")},
		"given":           {From(After(at(4)))},
		"given, not kept": {From(After(at(4))), Cursor(cursor.NewMemory(), "r")},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				said := make(chan []string, 1)
				s := newService(t, accept(func(p *peer) {
					p.Send(message(4))
					p.Send(message(5))
					said <- p.Rest()
				}))
				r := s.reader(begin...)
				if d := must(t, r); d.Receipt != at(5) {
					t.Errorf("%+v", d)
				}
				until(t, r, time.Second)
				r.Close(t.Context())
				if got := <-said; !slices.Equal(got, []string{ackOf(at(4))}) {
					t.Errorf("answers %q", got)
				}
				if st := r.Stats(); st.Gaps+st.JumpsBack+st.Missing != 0 {
					t.Errorf("%+v", st)
				}
				if !slices.Equal(s.froms(), []string{at(4)}) {
					t.Errorf("began at %q", s.froms())
				}
			})
		})
	}
}

func TestReaderCountsGapsAndJumps(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := &linktest.Journal{}
		s := newService(t, sound(
			envelopeOf(mid(7, 0), ""), envelopeOf(mid(7, 1), ""), envelopeOf(mid(7, 4), ""), // two are missing
			envelopeOf(mid(9, 0), ""),                            // another ledger
			envelopeOf(mid(12, 3), ""),                           // the beginning of one is missing
			envelopeOf(mid(9, 1), ""), envelopeOf(mid(9, 2), ""), // back
			envelopeOf("AAAA", ""), // no id of Pulsar's
			envelopeOf(mid(9, 3), ""),
		))
		r := s.reader(Logger(log.Logger()))
		for range 9 {
			ackIt(t, r, must(t, r))
		}
		if st := r.Stats(); st.Gaps != 2 || st.JumpsBack != 1 || st.Missing != 0 {
			t.Errorf("%+v", st)
		}
		if st := r.Status(); st.Gaps != 2 || st.JumpsBack != 1 {
			t.Errorf("%+v", st)
		}
		if n := strings.Count(log.String(), "messages seem to be missing"); n != 2 {
			t.Errorf("%d log lines:\n%s", n, log)
		}
	})
}

// What is trimmed away while the reader is not there is counted: what it had
// read without settling it as missing, and the hole as a gap.
func TestReaderNoticesATrimmedTopic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newStandIn(t)
		ids := s.publish("m0", "m1", "m2", "m3", "m4", "m5")
		r := s.reader(ReceiverQueueSize(3))
		got := take(t, r, 3)
		dial := s.OnDial(pulsartest.Refuse(503), pulsartest.Times(1))
		s.Break(pulsartest.Drop())
		ackIt(t, r, got[0]) // of no use to the service; the position moves
		until(t, r, 50*time.Millisecond)
		s.topic().TrimTo(ids[3])
		got = append(got, take(t, r, 2)...)
		expect(t, got[3:], "m4", "m5")
		if st := r.Stats(); st.Gaps != 1 || st.Missing != 2 || dial.Count() != 1 {
			t.Errorf("%+v after %d refusals", st, dial.Count())
		}
		// The position does not wait for what cannot come.
		for _, d := range got[3:] {
			ackIt(t, r, d)
		}
		if p := r.mark.Position(); p != ids[5] {
			t.Errorf("position %s, want %s", p, ids[5])
		}
		r.Close(t.Context())
		s.balanced()
	})
}

// Pulsar drops whole ledgers, which leaves no sign in the ids. A reader finds
// out when it comes back to a topic that begins behind its position.
func TestReaderNoticesATrimmedLedger(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, store := newStandIn(t), cursor.NewMemory()
		ids := s.publish("m0", "m1")
		r := s.reader(Cursor(store, "r"))
		ackIt(t, r, must(t, r))
		r.Close(t.Context())
		s.topic().Unload()
		s.publish("m2")
		s.topic().TrimTo(ids[1])

		r = s.reader(Cursor(store, "r"))
		got := take(t, r, 1)
		expect(t, got, "m2")
		ackIt(t, r, got[0])
		until(t, r, time.Minute)
		if st := r.Stats(); st != (Stats{Gaps: 1}) || r.Status().Gaps != 1 {
			t.Errorf("%+v", st)
		}
		r.Close(t.Context())
	})
}

// Of a partitioned topic as a whole a reader can keep no place. It says so at
// the first message, and ends there where the place was to be kept; a single
// partition is a topic like any other.
func TestReaderOfAPartitionedTopic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newStandIn(t)
		if err := s.topic().SetPartitions(3); err != nil {
			t.Fatal(err)
		}
		for round := range 4 {
			s.publish(slices.Repeat([]string{fmt.Sprint("m", round)}, 3)...)
		}
		store, log := &dying{Store: cursor.NewMemory()}, &linktest.Journal{}
		r := s.reader(Logger(log.Logger()))
		for range 12 {
			ackIt(t, r, must(t, r))
		}
		if st := r.Stats(); st != (Stats{}) {
			t.Errorf("%+v", st)
		}
		if n := strings.Count(log.String(), "has partitions"); n != 1 || !strings.Contains(log.String(), "ERROR") {
			t.Errorf("said %d times:\n%s", n, log)
		}
		r.Close(t.Context())

		for _, from := range []Start{Earliest, Latest} {
			r = s.reader(Cursor(store, "r"), From(from))
			time.AfterFunc(time.Second, func() { s.Publish(aTopic, pulsartest.Message{}) }) // for Latest
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			_, err := r.Receive(ctx)
			cancel()
			if ce, ok := errors.AsType[*eds.ConfigError](err); !ok || ce.Setting != "topic" {
				t.Errorf("Receive = %v", err)
			}
			r.Close(t.Context())
		}
		if store.saves != 0 {
			t.Error("a place was saved")
		}

		log = &linktest.Journal{}
		r = NewReader(s.URL(), aTopic+"-partition-1", From(Earliest), Cursor(store, ""), DialContext(s.DialContext), Logger(log.Logger()))
		s.closed(r)
		expect(t, take(t, r, 4), "m0", "m1", "m2", "m3")
		if strings.Contains(log.String(), "ERROR") {
			t.Errorf("%s", log)
		}
	})
}

// A new ledger is no gap.
func TestReaderCrossesLedgers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newStandIn(t)
		s.publish("m0", "m1")
		r := s.reader(ReceiverQueueSize(2))
		for range 2 {
			ackIt(t, r, must(t, r))
		}
		s.topic().Unload()
		s.publish("m2", "m3")
		for _, want := range []string{"m2", "m3"} {
			got := take(t, r, 1)
			expect(t, got, want)
			ackIt(t, r, got[0])
			s.Break(pulsartest.Drop())
		}
		until(t, r, time.Minute)
		if st := r.Stats(); st.Gaps+st.JumpsBack+st.Missing != 0 {
			t.Errorf("%+v", st)
		}
		r.Close(t.Context())
		s.balanced()
	})
}

// A position that the service refuses, with the same 500 as everything, is told
// from a service that is down.
func TestReaderPositionRefused(t *testing.T) {
	faults.Covers(t, "A10")
	bubble(t, func(t *testing.T) {
		store := cursor.NewMemory()
		store.Save(t.Context(), "r", at(4))
		s := newService(t, nil)
		s.Answer = func(n int, w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("messageId") == at(4) {
				refuse(500, "Failed to create reader: "+canary)(n, w, r)
				return
			}
			sound(message(0))(n, w, r)
		}
		r := s.reader(Cursor(store, "r"))
		_, err := r.Receive(t.Context())
		ce, ok := errors.AsType[*eds.ConfigError](err)
		if !ok || ce.Setting != "position" || ce.Value != at(4) {
			t.Errorf("Receive = %v", err)
		}
		noKey(t, "error", fmt.Sprintf("%v %#v", err, ce))
		p, e := at(4), "earliest"
		if want := []string{p, p, p, p, p, e, p, e, p, e}; !slices.Equal(s.froms(), want) {
			t.Errorf("began at %q, want %q", s.froms(), want)
		}
		if got, _ := store.Load(t.Context(), "r"); got != at(4) {
			t.Errorf("the position was changed to %q", got)
		}
		if st := r.Status(); st.State != eds.Refused {
			t.Errorf("%+v", st)
		}
	})
}

// A service that is down, for however long, and comes back at whichever dial,
// costs no position.
func TestReaderServiceDown(t *testing.T) {
	for down := range 40 {
		bubble(t, func(t *testing.T) {
			store := cursor.NewMemory()
			store.Save(t.Context(), "r", at(4))
			s := newService(t, nil)
			s.Answer = func(n int, w http.ResponseWriter, r *http.Request) {
				switch from := r.URL.Query().Get("messageId"); {
				case n <= down, down > 12 && n == down+2: // once more right after it was up
					refuse(500, "broker is down")(n, w, r)
				case from == at(4):
					sound(message(5))(n, w, r)
				default:
					sound(message(0))(n, w, r)
				}
			}
			r := s.reader(Cursor(store, "r"))
			if d := must(t, r); d.Receipt != at(5) {
				t.Errorf("down for %d dials: %+v", down, d)
			}
			r.Close(t.Context())
		})
	}
}

// What was given back comes again after its delay, on a connection that is
// silent all the while, and holds its place in the window until it is settled.
func TestReaderNack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newStandIn(t)
		s.publish("m0", "m1", "m2", "m3")
		r := s.reader(RedeliveryDelay(40*time.Second), ReceiverQueueSize(3))
		got := take(t, r, 3)
		for _, d := range got {
			nackIt(t, r, d)
		}
		start := time.Now()
		for round := range 3 {
			again := take(t, r, 3)
			slices.SortFunc(again, func(a, b *eds.Delivery) int { return bytes.Compare(a.Event.Payload, b.Event.Payload) })
			expect(t, again, "m0", "m1", "m2")
			if took := time.Since(start); took != time.Duration(round+1)*40*time.Second {
				t.Errorf("round %d after %v", round, took)
			}
			for i, d := range again {
				if d.Tag == got[i].Tag || d.Received != time.Now() || d.Event.ID != got[i].Event.ID {
					t.Errorf("%+v", d)
				}
				if round < 2 {
					nackIt(t, r, d)
					ackIt(t, r, d) // settled once
				}
			}
			got = again
		}
		if n := s.count(0, pulsartest.OpCredit); n != 0 {
			t.Errorf("%d credits for nothing", n)
		}
		ackIt(t, r, got[1])
		last := take(t, r, 1)
		expect(t, last, "m3")
		for _, d := range []*eds.Delivery{last[0], got[0], got[2]} {
			ackIt(t, r, d)
		}
		until(t, r, time.Hour)
		if n := s.count(0, pulsartest.OpConnect); n != 1 {
			t.Errorf("%d connections", n)
		}
		r.Close(t.Context())
		if short := s.balanced(); short != 0 {
			t.Errorf("%d deliveries were not answered", short)
		}
	})
}

// After a lost connection the service brings again what was given back, so
// that the reader itself does not.
func TestReaderNackBeforeADisconnect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newStandIn(t)
		s.publish("m0", "m1")
		r := s.reader(RedeliveryDelay(time.Minute))
		got := take(t, r, 2)
		nackIt(t, r, got[0])
		s.Break(pulsartest.Drop())
		again := take(t, r, 2)
		expect(t, again, "m0", "m1")
		nackIt(t, r, got[1]) // of the lost connection: nothing is left to do
		until(t, r, time.Hour)
		for _, d := range again {
			ackIt(t, r, d)
		}
		until(t, r, time.Hour)
		r.Close(t.Context())
		s.balanced()
	})
}

// A redelivery that falls due while a large message is coming in slowly does
// not cost the connection.
func TestReaderNackWhileAMessageComesIn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		large, payload := sized(1 << 20)
		s := newService(t, linktest.Raw(func(_ int, conn net.Conn) {
			var reading sync.WaitGroup
			reading.Go(func() { linktest.Drain(conn) })
			defer reading.Wait()
			conn.Write(linktest.Frame(message(0)))
			f := linktest.Frame(large)
			for len(f) > 0 {
				k := min(len(f), 100_000)
				time.Sleep(2 * time.Second)
				conn.Write(f[:k])
				f = f[k:]
			}
		}))
		r := s.reader(RedeliveryDelay(5*time.Second), PingInterval(time.Hour))
		nackIt(t, r, must(t, r))
		for range 2 {
			d := must(t, r)
			if string(d.Event.Payload) != "m0" && string(d.Event.Payload) != payload || d.Err != nil {
				t.Errorf("%+v", d.Err)
			}
			ackIt(t, r, d)
		}
		if s.Count() != 1 {
			t.Errorf("%d connections: %v", s.Count(), r.Status().Err)
		}
	})
}

// Without credits a service stops after its window, for ever, so
// each delivery is worth one, and a reader goes on past any number.
func TestReaderGoesOnPastItsWindow(t *testing.T) {
	faults.Covers(t, "B35", "B37")
	for _, window := range []int{1, 2, 3, 256, 1000} {
		bubble(t, func(t *testing.T) {
			s := newStandIn(t)
			const total = 2500
			var all []string
			for i := range total {
				all = append(all, fmt.Sprint("m", i))
			}
			s.publish(all...)
			r := s.reader(ReceiverQueueSize(window))
			for i := range total {
				d := must(t, r)
				if string(d.Event.Payload) != all[i] {
					t.Fatalf("%s, want %s", d.Event.Payload, all[i])
				}
				ackIt(t, r, d)
				ackIt(t, r, d) // the second does not count
			}
			r.Close(t.Context())
			if short := s.balanced(); short != 0 {
				t.Errorf("window %d: %d deliveries were not answered", window, short)
			}
		})
	}
	// And without a single one it stops, or this test would show nothing.
	bubble(t, func(t *testing.T) {
		s := newStandIn(t)
		s.publish("m0", "m1", "m2", "m3")
		r := s.reader(ReceiverQueueSize(3))
		take(t, r, 3)
		until(t, r, time.Hour)
		r.Close(t.Context())
	})
}

// Only a service that accepts another position time and again, and refuses this
// one each time in between, has refused the position.
func TestProbes(t *testing.T) {
	const down, up = false, true
	for _, c := range []struct {
		says []bool // of the service to each dial
		want int    // the dial that leads to the verdict; 0 for none
	}{
		{[]bool{down, down, down, down, down, up, down, up, down, up}, 10},
		{[]bool{down, down, down, down, down, up, up}, 0},
		{[]bool{down, down, down, down, down, up, down, up, up, down, up}, 0},
		// The probe is refused as well: it is the service.
		{[]bool{down, down, down, down, down, up, down, up, down, down, down, down, down, down, up, down, up, down, up}, 19},
		{[]bool{down, down, down, down, down, down, down, down, down, down, up, down, up, down, up}, 15},
		{[]bool{down, down, down, down, up, down, down, down, down, up}, 0},
	} {
		var p probes
		verdict := 0
		for i, up := range c.says {
			from := at(4)
			p.prepare(&from)
			if !up {
				p.judge(&wslink.Ending{Status: 500})
			} else if _, final := errors.AsType[*eds.ConfigError](p.connected()); final && verdict == 0 {
				verdict = i + 1
			}
		}
		if verdict != c.want {
			t.Errorf("%v: verdict at %d, want %d", c.says, verdict, c.want)
		}
	}
	// A start that is no position is never in doubt.
	var p probes
	for range 20 {
		from := string(Latest)
		if p.prepare(&from); from != string(Latest) {
			t.Error("a probe for nothing")
		}
		p.judge(&wslink.Ending{Status: 500})
	}
}

// slow is a store that takes its time to load.
type slow struct{ cursor.Store }

func (s slow) Load(ctx context.Context, name string) (string, error) {
	time.Sleep(time.Minute)
	return s.Store.Load(ctx, name)
}

// A Close that comes before the position was loaded leaves nothing behind: the
// bubble would tell.
func TestReaderClosedBeforeItsPositionIsLoaded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newService(t, sound())
		r := s.reader(Cursor(slow{cursor.NewMemory()}, "r"))
		var receiving sync.WaitGroup
		receiving.Go(func() {
			if _, err := r.Receive(t.Context()); !wslink.Closed(err) {
				t.Errorf("Receive = %v", err)
			}
		})
		time.Sleep(time.Second)
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		receiving.Wait()
		if s.Count() != 0 {
			t.Errorf("%d dials after Close", s.Count())
		}
	})
}

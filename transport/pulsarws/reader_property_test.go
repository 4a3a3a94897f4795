package pulsarws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/transport/cursor"
	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
	"pgregory.net/rapid"
)

// TestReaderSkipsNothing has a reader with up to eight messages in work meet
// disconnects, restarts and crashes at any moment: every message is handled;
// none again in the life of a process once it was settled; and no connection
// is given a credit that it has not delivered.
func TestReaderSkipsNothing(t *testing.T) {
	faults.Covers(t, "B28", "B40")
	rapid.Check(t, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(t *rapid.T) {
			m := newReaderMachine(t)
			defer m.stop(false)
			actions := map[string]func(*rapid.T){
				"receive":  m.receive,
				"receive+": m.receive,
				"ack":      m.ack,
				"ack+":     m.ack,
				"nack":     m.nack,
				"publish":  func(*rapid.T) { m.publish(3) },
				"wait":     func(*rapid.T) { time.Sleep(time.Second); synctest.Wait() },
				"drop":     func(*rapid.T) { m.s.Break(pulsartest.Drop()) },
				"close":    func(*rapid.T) { m.s.Break(pulsartest.Close(1001, "")) },
				"refuse":   func(*rapid.T) { m.s.OnDial(pulsartest.Refuse(503)); m.s.Break(pulsartest.Reset()) },
				"unload":   func(*rapid.T) { m.s.topic().Unload() },
				"restart":  func(*rapid.T) { m.stop(false); m.start() },
				"crash":    func(*rapid.T) { m.stop(true); m.start() },
			}
			t.Repeat(actions)
			m.finish()
		})
	})
}

const atWork = 8

type readerMachine struct {
	t      *rapid.T
	s      *standIn
	store  *dying
	window int
	opts   []ReaderOption

	r         *Reader
	open      []*eds.Delivery
	settled   map[string]bool // in the life of this process
	handled   map[string]bool
	published int
}

func newReaderMachine(t *rapid.T) *readerMachine {
	var kinds []pulsartest.Option
	if rapid.Bool().Draw(t, "batch ids") {
		kinds = append(kinds, pulsartest.BatchIDs())
	}
	m := &readerMachine{
		t: t, s: &standIn{t: t, Server: pulsartest.NewServer(kinds...), names: map[string]string{}},
		store: &dying{Store: cursor.NewMemory()}, window: rapid.IntRange(1, 12).Draw(t, "window"),
		handled: map[string]bool{},
	}
	t.Cleanup(m.s.Close)
	if rapid.Bool().Draw(t, "from latest") {
		m.opts = append(m.opts, From(Latest))
	}
	m.start()
	m.receiveFor(time.Second) // connects before anything is published
	m.publish(3)
	m.receiveFor(time.Second) // from here on nothing may be left out
	synctest.Wait()
	return m
}

func (m *readerMachine) publish(n int) {
	for range n {
		m.s.publish(fmt.Sprint("m", m.published))
		m.published++
	}
}

func (m *readerMachine) start() {
	m.settled, m.open = map[string]bool{}, nil
	m.r = m.s.reader(append([]ReaderOption{Cursor(m.store, "r"), ReceiverQueueSize(m.window), RedeliveryDelay(2 * time.Second),
		SaveEvery(3 * time.Second)}, m.opts...)...)
}

// stop ends the process, which after a crash has saved nothing more.
func (m *readerMachine) stop(crash bool) {
	if crash {
		m.store.fail(errors.New("crashed"))
	}
	m.r.Close(m.t.Context())
	m.store.fail(nil)
}

func (m *readerMachine) receive(t *rapid.T) { m.receiveFor(10 * time.Millisecond) }

func (m *readerMachine) receiveFor(d time.Duration) {
	if len(m.open) >= atWork {
		return
	}
	ctx, cancel := context.WithTimeout(m.t.Context(), d)
	defer cancel()
	got, err := m.r.Receive(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return
	}
	if err != nil {
		m.t.Fatal(err)
	}
	name := string(got.Event.Payload)
	if m.settled[name] {
		m.t.Fatalf("%s was handed out again after it was settled", name)
	}
	m.open = append(m.open, got)
}

// one takes one of the messages in work out.
func (m *readerMachine) one(t *rapid.T) *eds.Delivery {
	if len(m.open) == 0 {
		return nil
	}
	i := rapid.IntRange(0, len(m.open)-1).Draw(t, "which")
	d := m.open[i]
	m.open = slices.Delete(m.open, i, i+1)
	return d
}

func (m *readerMachine) ack(t *rapid.T) {
	if d := m.one(t); d != nil {
		m.settle(d)
	}
}

// settle does what an App does: all deliveries of an event are settled when its
// run is over.
func (m *readerMachine) settle(d *eds.Delivery) {
	name := string(d.Event.Payload)
	m.handled[name], m.settled[name] = true, true
	for _, d := range append(m.joined(name), d) {
		if err := m.r.Ack(m.t.Context(), d); err != nil {
			m.t.Fatal(err)
		}
	}
}

// joined takes the other deliveries of an event out.
func (m *readerMachine) joined(name string) (all []*eds.Delivery) {
	m.open = slices.DeleteFunc(m.open, func(d *eds.Delivery) bool {
		same := string(d.Event.Payload) == name
		if same {
			all = append(all, d)
		}
		return same
	})
	return all
}

func (m *readerMachine) nack(t *rapid.T) {
	d := m.one(t)
	if d == nil {
		return
	}
	for _, d := range append(m.joined(string(d.Event.Payload)), d) {
		if err := m.r.Nack(m.t.Context(), d); err != nil {
			m.t.Fatal(err)
		}
	}
}

// finish lets all that is left come, and looks at what there was.
func (m *readerMachine) finish() {
	for quiet := 0; quiet < 30; quiet++ { // planned refusals may take a minute each
		m.receiveFor(time.Minute)
		for len(m.open) > 0 {
			d := m.open[0]
			m.open = m.open[1:]
			m.settle(d)
			quiet = 0
		}
	}
	for i := range m.published {
		if name := fmt.Sprint("m", i); !m.handled[name] {
			m.t.Errorf("%s was skipped; handled %d of %d", name, len(m.handled), m.published)
		}
	}
	if st := m.r.Stats(); st.Missing != 0 || st.Malformed != 0 {
		m.t.Errorf("%+v", st)
	}
	m.stop(false)
	if got, _ := m.store.Load(m.t.Context(), "r"); m.s.names[got] != fmt.Sprint("m", m.published-1) {
		m.t.Errorf("position at %q, want the last of %d", m.s.names[got], m.published)
	}
	m.s.balanced()
}

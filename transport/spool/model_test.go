package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"github.com/eventdelivery/eds-go/eds"
)

// TestModel compares a Spool with what it ought to be, over random sequences
// of what can be done to it, in simulated time.
func TestModel(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			n++
			path := filepath.Join(dir, fmt.Sprint(n, ".spool"))
			defer os.Remove(path)
			m := &model{t: t, path: path, events: make(map[string]*modelled)}
			m.open()
			defer m.shut()
			t.Repeat(map[string]func(*rapid.T){
				"append":  m.append,
				"receive": m.receive,
				"ack":     m.ack,
				"nack":    m.nack,
				"remove":  m.remove,
				"wait":    func(t *rapid.T) { time.Sleep(time.Duration(rapid.IntRange(1, 5000).Draw(t, "ms")) * time.Millisecond) },
				"redial":  func(*rapid.T) { m.redial() },
				"reopen":  func(*rapid.T) { m.shut(); m.open() },
				"crash":   func(*rapid.T) { m.crash(); m.open() },
				"disk":    m.disk,
				"":        func(*rapid.T) { m.count() },
			})
		})
	})
}

type modelled struct {
	id       string
	payload  []byte
	attempts int
	deaths   int
	out      *eds.Delivery
	due      time.Time
	paused   bool
	gone     bool // acknowledged
	// What a crash may leave unknown: unwritten, what was settled and not
	// flushed; uncounted, an attempt that the disk did not take; unsure, after
	// the crash, whether it is there, and whether it pauses.
	unwritten, uncounted, unsure bool
}

type model struct {
	t      *rapid.T
	path   string
	s      *Spool
	tr     *Transport
	broken atomic.Bool // so is the disk
	order  []string
	events map[string]*modelled
	n      int
}

const modelPause = 2 * time.Second

func (m *model) open() {
	s, err := Open(m.path, quiet, Pause(modelPause, modelPause), MaxAttempts(0))
	if err != nil {
		m.t.Fatal(err)
	}
	m.s = s
	m.broken.Store(false)
	m.s.commit = func(db *bbolt.DB, b *batch) error {
		if m.broken.Load() {
			return errors.New("no room")
		}
		return write(db, b)
	}
	m.tr = s.Transport()
}

func (m *model) alive() (all []*modelled) {
	for _, id := range m.order {
		if e := m.events[id]; !e.gone {
			all = append(all, e)
		}
	}
	return all
}

func (m *model) back() {
	for _, e := range m.events {
		e.out = nil
	}
}

func (m *model) redial() {
	err := m.tr.Close(context.Background())
	if err != nil && !m.broken.Load() {
		m.t.Fatalf("Close: %v", err)
	}
	m.back()
	m.tr = m.s.Transport()
}

func (m *model) shut() {
	if m.s == nil {
		return
	}
	m.broken.Store(false)
	if err := m.tr.Close(context.Background()); err != nil {
		m.t.Fatal(err)
	}
	if err := m.s.Close(context.Background()); err != nil {
		m.t.Fatal(err)
	}
	m.flushed()
	m.back()
	m.s = nil
}

func (m *model) flushed() {
	for _, e := range m.events {
		e.unwritten, e.uncounted = false, false
	}
}

// crash is an end in which nothing more is written.
func (m *model) crash() {
	m.broken.Store(true)
	m.s.Close(context.Background())
	for _, e := range m.events {
		e.deaths++ // at most: it may have been claimed
		if e.unwritten {
			e.gone, e.unsure = false, true
		}
		if e.uncounted {
			e.attempts, e.unsure = 0, true
		}
		e.unwritten, e.uncounted = false, false
	}
	m.back()
	m.s = nil
}

func (m *model) disk(t *rapid.T) { m.broken.Store(rapid.Bool().Draw(t, "broken")) }

func (m *model) append(t *rapid.T) {
	m.n++
	e := &modelled{id: fmt.Sprint(m.n), payload: rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "payload")}
	err := m.s.Handle(context.Background(), &eds.Event{ID: e.id, Type: "T", Source: "s", Payload: e.payload})
	switch {
	case (err != nil) != m.broken.Load():
		t.Fatalf("Handle: %v", err)
	case err == nil:
		m.events[e.id] = e
		m.order = append(m.order, e.id)
	case eds.OutcomeOf(err) != eds.Redelivered:
		t.Fatalf("Handle: %v", err)
	}
}

func (m *model) receive(t *rapid.T) {
	// In a bubble the time-out comes once nothing else can happen.
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	now := time.Now()
	d, err := m.tr.Receive(ctx)
	if err != nil {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		m.nothing(t, now)
		return
	}
	e := m.events[d.Event.ID]
	switch {
	case e == nil || e.gone:
		t.Fatalf("event %q came, which was acknowledged or never was", d.Event.ID)
	case e.out != nil:
		t.Fatalf("event %s is out already", e.id)
	case string(d.Event.Payload) != string(e.payload):
		t.Fatalf("event %s has another payload", e.id)
	case e.paused && !e.unsure && d.Received.Before(e.due):
		t.Fatalf("event %s came %v before the end of its pause", e.id, e.due.Sub(d.Received))
	case d.Event.Attempt <= e.attempts:
		t.Fatalf("event %s came with attempt %d after %d", e.id, d.Event.Attempt, e.attempts)
	}
	at := slices.Index(m.order, e.id)
	if e.attempts == 0 && !e.unsure {
		for _, other := range m.order[:at] {
			if o := m.events[other]; o.attempts == 0 && !o.gone && !o.unsure {
				t.Fatalf("event %s came before %s", e.id, other)
			}
		}
	}
	e.attempts, e.out, e.paused, e.unsure = d.Event.Attempt, d, false, false
	e.uncounted = e.uncounted || m.broken.Load()
}

// nothing checks that there was nothing to receive.
func (m *model) nothing(t *rapid.T, now time.Time) {
	alone, out := false, false
	for _, e := range m.alive() {
		alone, out = alone || e.deaths >= 2, out || e.out != nil
	}
	if alone && out {
		return // one wants to be alone, or is
	}
	for _, e := range m.alive() {
		if e.out == nil && !e.unsure && (!e.paused || !e.due.After(now)) {
			t.Fatalf("event %s should come, but nothing did", e.id)
		}
	}
}

func (m *model) out(t *rapid.T) *modelled {
	var all []*modelled
	for _, e := range m.alive() {
		if e.out != nil {
			all = append(all, e)
		}
	}
	if len(all) == 0 {
		t.Skip("nothing is out")
	}
	return rapid.SampledFrom(all).Draw(t, "event")
}

func (m *model) ack(t *rapid.T) {
	e := m.out(t)
	d := e.out
	if err := m.tr.Ack(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	e.out, e.gone, e.unwritten = nil, true, true
	if err := m.tr.Ack(context.Background(), d); !errors.Is(err, eds.ErrReceiptLost) {
		t.Fatalf("Ack again: %v", err)
	}
	if rapid.Bool().Draw(t, "flush") && !m.broken.Load() {
		if err := m.s.flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		m.flushed()
	}
}

func (m *model) nack(t *rapid.T) {
	e := m.out(t)
	now := time.Now()
	m.s.mu.Lock()
	m.tr.out[e.out.Receipt].pause = modelPause // without jitter
	m.s.mu.Unlock()
	if err := m.tr.Nack(context.Background(), e.out); err != nil {
		t.Fatal(err)
	}
	e.out, e.unwritten = nil, true // and its deaths are none, unless a crash takes that along
	e.paused, e.due = true, now.Add(modelPause)
}

func (m *model) remove(t *rapid.T) {
	var all []Record
	for r, err := range m.s.Records(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if len(all) == 0 {
		t.Skip("nothing is there")
	}
	r := rapid.SampledFrom(all).Draw(t, "record")
	e := m.events[r.Event.ID]
	err := m.s.Remove(context.Background(), r)
	switch {
	case errors.Is(err, ErrNotWaiting): // or claimed, which the model does not know
	case e == nil || e.gone || e.out != nil:
		t.Fatalf("event %q was removed, which is out or gone", r.Event.ID)
	case (err != nil) != m.broken.Load():
		t.Fatalf("Remove: %v", err)
	default:
		e.gone, e.unwritten = true, m.broken.Load()
	}
}

// count compares the numbers.
func (m *model) count() {
	b, err := m.s.Backlog()
	if err != nil {
		m.t.Fatal(err)
	}
	most, least := 0, 0
	var size int64
	for _, e := range m.alive() {
		most++
		if !e.unsure {
			least++
		}
		size += int64(len(e.payload))
	}
	if b.Events < least || b.Events > most || b.Types["T"] != b.Events || (least == most && b.Bytes < size) {
		m.t.Fatalf("the backlog is %+v, want %d to %d events", b, least, most)
	}
}

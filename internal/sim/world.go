// Package sim runs whole programs (an App, its transport, the dedupe store, the
// cursor of a reader) against a fake EDS or Pulsar in virtual time, with faults
// whose places are drawn from a seed, and has package history judge what
// happened.
//
// A World lives in a testing/synctest bubble. Between each process and the
// service lies a wire that loses, delays and repeats frames; the store, the
// handler and the connection of a process are wrapped, so that it can crash at
// labelled points without a hook in the code under test.
package sim

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/internal/history"
)

// World is a service, a store and the processes that use them. Make and use
// it within one synctest bubble, through Run.
type World struct {
	Scenario Scenario
	Seed     Seed
	Queue    string
	Log      *history.Log
	Service  *edstest.Server // nil when it is a topic
	Topic    *topic          // nil when it is not
	Store    *Store
	Cursor   *Cursor // where readers keep their position

	side   side
	passes passes
	dawn   time.Time      // before it there are no faults
	wait   sync.WaitGroup // all goroutines of the world
	over   chan struct{}  // closed when nothing is to be waited for any more

	mu        sync.Mutex
	processes []*Process
	wires     map[*wire]struct{}
	calm      bool // the quiet time has begun
	ending    bool
	banned    map[string]time.Time // until when a process cannot dial
}

// Run plays the scenario and returns its history. Call it in a synctest
// bubble, in which everything that it began has ended when it returns.
func Run(s Scenario) []history.Entry {
	defer s.Seed.steerJitter()()
	w := &World{
		Scenario: s, Seed: s.Seed, Queue: "orders", Log: &history.Log{},
		over: make(chan struct{}), wires: map[*wire]struct{}{}, banned: map[string]time.Time{},
	}
	w.Store, w.Cursor = newStore(w), &Cursor{world: w}
	if s.Topic != nil {
		w.Topic = newTopic(w, *s.Topic)
		w.side = w.Topic
	} else {
		q := newQueue(w)
		w.side, w.Service = q, q.server
	}

	began := time.Now()
	w.dawn = began.Add(s.Dawn)
	w.wait.Go(w.publish)
	for i := range max(s.Processes, 1) {
		time.Sleep(w.Seed.Between(time.Millisecond, 20*time.Millisecond, "start", i))
		w.Start(fmt.Sprintf("p%d.1", i+1))
	}
	var faults sync.WaitGroup
	for i, n := range s.Nemeses {
		faults.Go(func() { w.torment(i, n, began.Add(s.Over)) })
	}
	time.Sleep(time.Until(began.Add(s.Over)))
	faults.Wait()
	w.calmDown()
	w.settle()
	w.end()
	return w.Log.Entries()
}

// dial connects a process with the service, through a wire.
func (w *World) dial(ctx context.Context, p *Process, network, address string) (net.Conn, error) {
	w.mu.Lock()
	until := w.banned[p.Name]
	w.mu.Unlock()
	if time.Now().Before(until) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.EHOSTUNREACH}
	}
	inner, err := w.side.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return p.newWire(inner), nil
}

func (w *World) url() string { return w.side.url() }
func (w *World) key() string { return edstest.DefaultKey }

// quiet tells whether faults are over.
func (w *World) quiet() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calm || time.Now().Before(w.dawn)
}

// calmDown ends all faults.
func (w *World) calmDown() {
	w.mu.Lock()
	w.calm = true
	var wires []*wire
	for wire := range w.wires {
		wires = append(wires, wire)
	}
	w.mu.Unlock()
	w.Store.Down(false)
	w.Cursor.Down(false)
	for _, wire := range wires {
		if wire.disturbed() {
			wire.cut() // what it swallowed is gone for good
		}
	}
	w.Log.Record(history.Entry{Actor: "world", Op: history.Fault, Result: "quiet time"})
}

// settle waits until all is settled, at most for the quiet time.
func (w *World) settle() {
	ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(w.Scenario.Quiet, 30*time.Minute))
	defer cancel()
	if err := w.side.settled(ctx); err != nil {
		w.Log.Record(history.Entry{Actor: "world", Op: history.Fault, Result: err.Error()})
	}
	// An acknowledgement too many would come now.
	time.Sleep(2 * time.Minute)
}

// end stops every process properly, then takes the world down.
func (w *World) end() {
	w.mu.Lock()
	w.ending = true
	processes := w.processes
	w.mu.Unlock()
	close(w.over)
	for _, p := range processes {
		if !p.Dead() {
			if err := p.Stop(); err != nil {
				w.Log.Record(history.Entry{Actor: p.Name, Op: history.Fault, Result: "ended with: " + err.Error()})
			}
		}
	}
	w.mu.Lock()
	wires := w.wires
	w.wires = map[*wire]struct{}{}
	w.mu.Unlock()
	for wire := range wires {
		wire.cut()
	}
	w.side.close()
	w.wait.Wait()
	synctest.Wait()
}

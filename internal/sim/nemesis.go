package sim

import (
	"time"

	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/internal/history"
)

// Nemesis disturbs the world now and then.
type Nemesis struct {
	Name string
	// Every is the mean time between two disturbances.
	Every time.Duration
	// Do disturbs the world for the n-th time, and may take a while. It puts
	// things right again before it returns.
	Do func(w *World, n int)
}

// torment lets a nemesis act until the time is over.
func (w *World) torment(i int, nemesis Nemesis, until time.Time) {
	time.Sleep(time.Until(w.dawn))
	for n := 1; ; n++ {
		pause := w.Seed.Between(nemesis.Every/2, nemesis.Every*3/2, nemesis.Name, i, n)
		if time.Now().Add(pause).After(until) {
			return
		}
		time.Sleep(pause)
		w.Log.Record(history.Entry{Actor: "nemesis", Op: history.Fault, Result: nemesis.Name})
		nemesis.Do(w, n)
	}
}

// live returns the wires of now.
func (w *World) live() []*wire {
	w.mu.Lock()
	defer w.mu.Unlock()
	var wires []*wire
	for wire := range w.wires {
		wires = append(wires, wire)
	}
	return wires
}

// Nemeses are the disturbances that concern everybody, with the mean times
// between them of a bad day.
func Nemeses(every time.Duration) []Nemesis {
	return []Nemesis{
		{"connections cut", every, func(w *World, _ int) {
			w.each((*wire).cut)
		}},
		{"closed by the service", 2 * every, func(w *World, n int) {
			how := edstest.Close(1001, "going away")
			if n%2 == 0 {
				how = edstest.Close(1005, "")
			}
			w.Service.Break(how)
		}},
		{"half-open", 3 * every, func(w *World, _ int) { w.each((*wire).lose) }},
		{"clogged", 3 * every, func(w *World, n int) {
			// Everything stands still, and then goes on as if nothing had been.
			w.each((*wire).clog)
			time.Sleep(w.Seed.Between(time.Second, 90*time.Second, "clog", n))
			for i, wire := range w.live() {
				time.Sleep(w.Seed.Between(0, time.Second, "unclog", n, i))
				wire.flow()
			}
		}},
		{"queue held by another", 4 * every, func(w *World, n int) {
			w.hold(w.Seed.Between(time.Second, 12*time.Minute, "hold", n))
		}},
		{"store outage", 3 * every, func(w *World, n int) {
			w.Store.Down(true)
			time.Sleep(w.Seed.Between(time.Second, 2*time.Minute, "outage", n))
			w.Store.Down(false)
		}},
		{"process crash", 2 * every, func(w *World, n int) {
			if p := w.pick(n); p != nil {
				p.Crash("at some moment")
			}
		}},
		{"rolling restart", 5 * every, func(w *World, n int) {
			if p := w.pick(n); p != nil {
				p.Restart()
			}
		}},
	}
}

// Forgetful are the disturbances of the store after which events may run
// twice.
func Forgetful(every time.Duration) []Nemesis {
	return []Nemesis{
		{"store wipe", every, func(w *World, _ int) { w.Store.Wipe() }},
		{"store clock", 2 * every, func(w *World, n int) {
			w.Store.Jump(w.Seed.Between(time.Second, 10*time.Minute, "jump", n))
		}},
	}
}

func (w *World) each(disturb func(*wire)) {
	for _, wire := range w.live() {
		disturb(wire)
	}
}

// hold lets another client have the queue for a while.
func (w *World) hold(d time.Duration) {
	var busy edstest.DialAction = edstest.Refuse(409)
	if w.Scenario.ByClose {
		busy = edstest.Close(4409, "duplicate subscription")
	}
	taken := w.Service.OnDial(busy, edstest.Always())
	w.Service.Break(edstest.Drop())
	time.Sleep(d)
	taken.Cancel()
}

// banish cuts the connection of a process and keeps it from dialing for a
// while.
func (w *World) banish(name string, d time.Duration) {
	w.mu.Lock()
	w.banned[name] = time.Now().Add(d)
	w.mu.Unlock()
	for _, wire := range w.live() {
		if wire.process.Name == name {
			wire.cut()
		}
	}
}

// pick returns one of the processes that live.
func (w *World) pick(n int) *Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	var alive []*Process
	for _, p := range w.processes {
		if !p.Dead() && p.ctx.Err() == nil {
			alive = append(alive, p)
		}
	}
	if len(alive) == 0 {
		return nil
	}
	return alive[w.Seed.Pick(len(alive), "pick", n)]
}

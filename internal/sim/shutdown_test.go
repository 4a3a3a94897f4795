package sim

import (
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/internal/history"
)

// during lets f happen once, 10 to 30 s after the start: in the middle of a
// run that takes 65 s.
func during(what string, f func(w *World)) []Nemesis {
	return []Nemesis{{what, 20 * time.Second, func(w *World, n int) {
		if n == 1 {
			f(w)
		}
	}}}
}

// took returns how long the process needed to end once it was told to, and
// whether it came to that.
func (p played) took(process string) (d time.Duration, ok bool) {
	var stopped time.Time
	for _, e := range p.entries {
		if e.Actor == process && e.Op == history.Stop {
			stopped = e.Time
		}
		if e.Actor == process && e.Op == history.Fault && e.Result == ended {
			return e.Time.Sub(stopped), true
		}
	}
	return 0, false
}

func TestStopWithWorkInFlight(t *testing.T) {
	faults.Covers(t, "E1", "E6")
	p := one(t, Scenario{
		Act: acts(Waits), Client: Framework(eds.HandlerTimeout(90*time.Second), eds.DrainTimeout(80*time.Second)),
		Nemeses: during("deployment", func(w *World) { w.pick(1).Restart() }),
	})
	// It was finished and acknowledged, with all its receipts, before the
	// connection was closed; the successor had nothing to do.
	if r := p.report; r.Ops[history.Start] != 1 || r.Ops[history.Effect] != 1 || r.Ops[history.AckProcessed] != 1 {
		t.Errorf("%d runs, %d effects, %d acknowledged", r.Ops[history.Start], r.Ops[history.Effect], r.Ops[history.AckProcessed])
	}
	if took, ok := p.took("p1.1"); !ok || took > 60*time.Second {
		t.Errorf("the process ended after %v (%v)", took, ok)
	}
}

func TestStopThatRunsOutOfTime(t *testing.T) {
	faults.Covers(t, "E2")
	p := one(t, Scenario{
		Act: acts(Waits), Client: Framework(eds.HandlerTimeout(90*time.Second), eds.DrainTimeout(5*time.Second)),
		Nemeses: during("deployment", func(w *World) { w.pick(1).Restart() }),
	})
	// The first run was cancelled, its claim released, its delivery left; the
	// successor ran the event. None of it counts as the event's failure.
	if r := p.report; r.Ops[history.Start] != 2 || r.Ops[history.Effect] != 1 || r.Parked != 0 || r.Ops[history.Release] == 0 {
		t.Errorf("%d runs, %d effects, %d parked, %d releases", r.Ops[history.Start], r.Ops[history.Effect], r.Parked, r.Ops[history.Release])
	}
	if took, ok := p.took("p1.1"); !ok || took > 12*time.Second {
		t.Errorf("the process ended after %v (%v)", took, ok)
	}
}

func TestEventsThatArriveDuringTheDrain(t *testing.T) {
	faults.Covers(t, "E5", "B28")
	p := one(t, Scenario{
		Events: 60, Over: 5 * time.Minute, Window: 64,
		Act: func(event string, n int) Act {
			if event == "e00001" && n == 1 {
				return Waits
			}
			return Works
		},
		Client:  Framework(eds.HandlerTimeout(90*time.Second), eds.DrainTimeout(80*time.Second)),
		Nemeses: during("deployment", func(w *World) { w.pick(1).Restart() }),
	})
	var stopped bool
	for _, e := range p.entries {
		if e.Actor == "p1.1" && e.Op == history.Stop {
			stopped = true
		}
		if stopped && e.Actor == "p1.1" && (e.Op == history.Claim || e.Op == history.Start) {
			t.Errorf("after the stop: %v", e)
		}
	}
	if !stopped || p.report.OK != 60 || p.report.Duplicated != 0 {
		t.Errorf("stopped %v, %d ok, %d twice", stopped, p.report.OK, p.report.Duplicated)
	}
}

func TestStopWhileTheStoreIsDown(t *testing.T) {
	faults.Covers(t, "E8", "D9")
	p := one(t, Scenario{
		Act: acts(Waits), Client: Framework(eds.HandlerTimeout(90*time.Second), eds.DrainTimeout(5*time.Second)),
		Nemeses: during("deployment while the store is down", func(w *World) {
			w.Store.Down(true)
			p := w.pick(1)
			p.Restart()
			time.Sleep(2 * time.Minute)
			w.Store.Down(false)
		}),
	})
	if took, ok := p.took("p1.1"); !ok || took > 12*time.Second {
		t.Errorf("the process ended after %v (%v)", took, ok)
	}
	if r := p.report; r.Ops[history.Effect] != 1 || r.Parked != 0 {
		t.Errorf("%d effects, %d parked", r.Ops[history.Effect], r.Parked)
	}
}

// TestStopRacesAReconnect stops a process at every hundredth of a second
// around the loss of its connection. The checker's rule: no dial after it.
func TestStopRacesAReconnect(t *testing.T) {
	faults.Covers(t, "E9", "B33")
	for i := range 150 {
		one(t, Scenario{
			Seed: Seed(i + 1), Events: 3, Over: 2 * time.Minute,
			Nemeses: during("connection lost while stopping", func(w *World) {
				p := w.pick(1)
				w.each((*wire).cut)
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				p.Restart()
			}),
		})
	}
}

func TestConnectionThatIsHalfOpen(t *testing.T) {
	faults.Covers(t, "B1", "A6", "B2", "B3")
	p := one(t, Scenario{
		Events: 200, Over: 26 * time.Hour, Quiet: time.Hour,
		Nemeses: []Nemesis{{"half-open", 3 * time.Hour, func(w *World, _ int) { w.each((*wire).lose) }}},
	})
	// The service holds the queue until its idle time-out of 10 minutes is
	// over, and refuses the client until then. The rest are the closes after
	// two hours, which delay nothing.
	if n := p.report.Faults["half-open"]; n < 5 {
		t.Errorf("half-open %d times", n)
	}
	if max := p.report.Handling.Quantile(1); max > 15*time.Minute {
		t.Errorf("an event took %v", max)
	}
	if connects, most := p.report.Ops[history.Connect], 26/2+1+p.report.Faults["half-open"]; connects > most {
		t.Errorf("%d connects, at most %d expected: no idle close in 26 hours", connects, most)
	}
	t.Log(p.report)
}

func TestPeerThatReadsNothing(t *testing.T) {
	faults.Covers(t, "B20", "B29")
	p := one(t, Scenario{
		Events: 300, Over: time.Hour, Window: 64,
		Nemeses: []Nemesis{{"clogged", 10 * time.Minute, func(w *World, n int) {
			w.each((*wire).clog)
			time.Sleep(w.Seed.Between(time.Second, 5*time.Minute, "clog", n))
			w.each((*wire).flow)
		}}},
	})
	if p.report.Faults["clogged"] < 4 {
		t.Errorf("clogged %d times", p.report.Faults["clogged"])
	}
}

// TestReconnectsLeakNothing: the bubble itself fails the test when a goroutine
// is left at its end; here there are many chances.
func TestReconnectsLeakNothing(t *testing.T) {
	faults.Covers(t, "B31", "B4", "G7")
	s := Scenario{
		Events: 100, Over: 10 * time.Hour, StaleHold: 0,
		Nemeses: []Nemesis{{"connections cut", 20 * time.Second, func(w *World, _ int) {
			w.each((*wire).cut)
		}}},
	}
	p := one(t, s)
	connects, dials := p.report.Ops[history.Connect], p.report.Ops[history.Dial]
	if connects < 1000 || dials > 3*connects {
		t.Errorf("%d connects, %d dials", connects, dials)
	}
	if p.report.Duplicated != 0 {
		t.Errorf("%d handled twice", p.report.Duplicated)
	}
}

// TestStopFitsIntoTheGracePeriod: with its defaults a process is gone before
// the 30 s are over that Kubernetes grants, even when a handler never returns;
// its event goes to whoever comes next.
func TestStopFitsIntoTheGracePeriod(t *testing.T) {
	faults.Covers(t, "E12", "E2", "C5")
	p := one(t, Scenario{
		Act: acts(Stuck), Client: Framework(),
		Nemeses: []Nemesis{{"deployment", 10 * time.Second, func(w *World, n int) {
			if n == 1 { // before it is given up for being stuck
				w.pick(1).Restart()
			}
		}}},
	})
	if took, ok := p.took("p1.1"); !ok || took < 15*time.Second || took > 27*time.Second {
		t.Errorf("the process ended after %v (%v)", took, ok)
	}
	if r := p.report; r.Ops[history.Effect] != 1 || r.Parked != 0 {
		t.Errorf("%d effects, %d parked", r.Ops[history.Effect], r.Parked)
	}
}

func TestHandlerThatStopsItsOwnProcess(t *testing.T) {
	faults.Covers(t, "C17")
	p := one(t, Scenario{
		Act: acts(Stops),
		Nemeses: during("successor", func(w *World) {
			w.mu.Lock()
			old := w.processes[0]
			w.mu.Unlock()
			old.Restart()
		}),
	})
	p.want(t, counts{runs: 1, effects: 1, deliveries: 1, acks: 1})
	if _, ok := p.took("p1.1"); !ok {
		t.Error("the process did not end")
	}
}

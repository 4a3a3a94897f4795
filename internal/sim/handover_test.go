package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/transport/edsv2"
	"github.com/eventdelivery/eds-go/transport/lease"
)

// handover is a fault that ends the reading of one process, or seems to.
type handover struct {
	name string
	// slot is for how long the service keeps the queue taken after the end;
	// it is not counted in the times below.
	slot time.Duration
	// do disturbs the process that reads, and returns once it is over.
	do func(w *World, l *leases, p *Process)
	// within bounds the time from the end of the old connection, or of its
	// slot, to the next one: with a lease, and with Standby alone. Zero means
	// that nobody may take over.
	within, without time.Duration
	// minute bounds the dials of three receivers in a minute, with a lease.
	minute int
}

const (
	tries = 1500 * time.Millisecond // to come to the next try, or look, of every second
	died  = lease.Term + tries/2    // to see that a lease has run out
)

var handovers = []handover{
	{
		name: "clean end", slot: 2 * time.Second, // the CloseDelay of a World
		do:     func(_ *World, _ *leases, p *Process) { p.Restart() },
		within: tries, without: tries, minute: 5,
	}, {
		name:   "crash", // F1
		do:     func(_ *World, _ *leases, p *Process) { p.Crash("for the hand-over") },
		within: died, without: tries, minute: 5,
	}, {
		name: "crash, slot dead for 10 minutes", slot: 10 * time.Minute, // F1
		do:     func(_ *World, _ *leases, p *Process) { p.Crash("for the hand-over") },
		within: tries, without: tries, minute: 70, // one of them each second, not all
	}, {
		name: "crash while the lease store is down", // F2
		do: func(_ *World, l *leases, p *Process) {
			l.during(2*time.Minute, func(on bool) {
				if l.down = on; on {
					go func() { time.Sleep(30 * time.Second); p.Crash("for the hand-over") }() // fake time: in the middle of it
				}
			})
		},
		within: tries, without: tries, minute: 240,
	}, {
		name: "crash while the lease store hangs", // F2
		do: func(_ *World, l *leases, p *Process) {
			l.during(2*time.Minute, func(on bool) {
				if l.hangs = on; on {
					go func() { time.Sleep(30 * time.Second); p.Crash("for the hand-over") }() // fake time: in the middle of it
				}
			})
		},
		within: tries + lease.Renewal, without: tries, minute: 240,
	}, {
		name: "crash while the lease store is slow", // F2
		do: func(_ *World, l *leases, p *Process) {
			l.during(2*time.Minute, func(on bool) {
				l.slow = 0
				if on {
					l.slow = 700 * time.Millisecond
					go func() { time.Sleep(30 * time.Second); p.Crash("for the hand-over") }() // fake time: in the middle of it
				}
			})
		},
		within: died + 2*lease.Renewal, without: tries, minute: 10,
	}, {
		name: "holder cut off from the lease store", // F2, F15
		do: func(_ *World, l *leases, p *Process) {
			l.during(2*time.Minute, func(on bool) { l.cut = map[string]bool{p.Name: on} })
		},
		minute: 70, // one of the others has the lease and tries each second
	}, {
		name:   "lease store wiped", // F15
		do:     func(_ *World, l *leases, _ *Process) { l.whole.Wipe() },
		minute: 10,
	}, {
		name: "lease store split in two", // F15
		do: func(_ *World, l *leases, p *Process) {
			l.during(2*time.Minute, func(on bool) { l.apart = map[string]bool{p.Name: on} })
		},
		minute: 70,
	}, {
		name:   "holder cut off from the service",                                                                      // F3
		do:     func(w *World, _ *leases, p *Process) { w.banish(p.Name, 5*time.Minute); time.Sleep(5 * time.Minute) }, // fake time: until it is over
		within: lease.Patience + lease.Renewal + tries, without: tries, minute: 70,
	}, {
		name: "holder frozen, connection kept", // F4
		do:   func(w *World, l *leases, p *Process) { l.freeze(w, p, 8*time.Second, (*wire).clog) },
		// No WriteTimeout passes. The service knows nothing of it, and refuses the others.
		minute: 70,
	}, {
		name: "holder frozen, connection lost", // F4
		do: func(w *World, l *leases, p *Process) {
			w.banish(p.Name, 40*time.Second)
			l.freeze(w, p, 40*time.Second, (*wire).cut)
		},
		within: died, without: tries, minute: 20,
	},
}

// freeze has a process do nothing for d.
func (l *leases) freeze(w *World, p *Process, d time.Duration, how func(*wire)) {
	l.mu.Lock()
	l.frozen = map[string]time.Time{p.Name: time.Now().Add(d)}
	l.mu.Unlock()
	mine := func(do func(*wire)) {
		for _, wire := range w.live() {
			if wire.process == p {
				do(wire)
			}
		}
	}
	mine(how)
	time.Sleep(d) // fake time: it is frozen
	mine((*wire).flow)
}

// played by three receivers: one reads, two stand by.
func (h handover) play(t *testing.T, seed Seed, standby func(*leases) func(*Process) edsv2.Option) (played, time.Time) {
	var store leases
	var began time.Time
	p := play(t, Scenario{
		Seed: seed, Client: receiver(standby(&store)), Processes: 3, Events: 40, Over: 8*time.Minute + h.slot,
		StaleHold: h.slot, Restart: time.Hour,
		Nemeses: []Nemesis{{h.name, 2 * time.Minute, func(w *World, n int) {
			if p := w.active(); n == 1 && p != nil {
				began = time.Now()
				h.do(w, &store, p)
			}
		}}},
	})
	p.wantNoViolation(t)
	if n := overlaps(p.entries); n > 0 {
		t.Errorf("seed %d: two were connected at once, %d times", seed, n)
	}
	if began.IsZero() {
		t.Fatalf("seed %d: nothing happened", seed)
	}
	return p, began
}

func leased(l *leases) func(*Process) edsv2.Option { return l.leased }
func waiting(*leases) func(*Process) edsv2.Option  { return patient }
func slowly(*leases) func(*Process) edsv2.Option   { return growing }

// TestHandOver has three receivers of one queue, and a fault for the one that
// reads. Another one takes over within the time that is promised, or nobody
// when the first one goes on; no event is lost, and never are two connected.
func TestHandOver(t *testing.T) {
	faults.Covers(t, "E10", "F1", "F2", "F3", "F4", "F15")
	n := map[bool]int{false: 6, true: 2}[raceEnabled]
	for _, h := range handovers {
		n := n
		t.Run(h.name, func(t *testing.T) {
			row := fmt.Sprintf("%-36s", h.name)
			for _, how := range []struct {
				name    string
				standby func(*leases) func(*Process) edsv2.Option
				within  time.Duration
				minute  int
			}{{"lease", leased, h.within, h.minute}, {"standby", waiting, h.without, 200}, {"neither", slowly, 0, 200}} {
				var took []time.Duration
				most := 0
				if how.name != "lease" {
					n = min(n-1, 2)
				}
				for i := range n {
					p, began := h.play(t, Seed(100+i), how.standby)
					all := takeovers(p.entries)
					all = slices.DeleteFunc(all, func(o takeover) bool { return o.at.Before(began) })
					for _, o := range all[:min(len(all), 1)] { // the first; what is put right later may give it back
						d := o.at.Sub(o.left) - h.slot
						took = append(took, d)
						if how.within > 0 && d > how.within {
							t.Errorf("%s, seed %d: %v to %v took over after %v, want %v", how.name, 100+i, o.from, o.to, d, how.within)
						}
					}
					if want := min(int(how.within), 1); want != len(all[:min(len(all), 1)]) && how.name == "lease" {
						t.Errorf("%s, seed %d: %d took over, want %d", how.name, 100+i, len(all), want)
					}
					for at := began; at.Before(began.Add(10 * time.Minute)); at = at.Add(time.Minute) {
						most = max(most, dials(p.entries, at, at.Add(time.Minute)))
					}
				}
				if most > how.minute {
					t.Errorf("%s: %d dials in a minute, want %d at most", how.name, most, how.minute)
				}
				slices.Sort(took)
				row += fmt.Sprintf(" | %s: %8s median %8s worst %3d dials/min", how.name, quantile(took, 0.5), quantile(took, 1), most)
			}
			t.Log(row)
		})
	}
}

func quantile(sorted []time.Duration, q float64) string {
	if len(sorted) == 0 {
		return "-"
	}
	return sorted[int(q*float64(len(sorted)-1))].Round(10 * time.Millisecond).String()
}

// TestStandbysDoNotHail counts the dials of receivers beside one that reads, and
// of all after it died with its slot taken: with a lease nobody dials in vain
// as long as all is well, and one of them each second when it is not.
func TestStandbysDoNotHail(t *testing.T) {
	faults.Covers(t, "A4", "F1")
	const dead = 5 * time.Minute
	for _, processes := range map[bool][]int{false: {2, 3, 6, 11}, true: {2, 3}}[raceEnabled] {
		row := fmt.Sprintf("%2d standing by", processes-1)
		for _, how := range []struct {
			name        string
			standby     func(*leases) func(*Process) edsv2.Option
			calm, taken int // dials in a minute
		}{
			{"lease", leased, 0, 60},
			{"standby", waiting, 60 * (processes - 1), 60 * (processes - 1)},
			{"neither", slowly, 8 * (processes - 1), 60 * (processes - 1)},
		} {
			var store leases
			var crash time.Time
			p := play(t, Scenario{
				Seed: 5, Client: receiver(how.standby(&store)), Processes: processes, Events: 20, Over: 20 * time.Minute,
				StaleHold: dead, Restart: time.Hour,
				Nemeses: []Nemesis{{"crash", 10 * time.Minute, func(w *World, n int) {
					if p := w.active(); n == 1 && p != nil {
						crash = time.Now()
						p.Crash("with its slot taken")
					}
				}}},
			})
			p.wantNoViolation(t)
			calm, taken := 0, 0
			for at := p.entries[0].Time.Add(2 * time.Minute); at.Add(time.Minute).Before(crash); at = at.Add(time.Minute) {
				calm = max(calm, dials(p.entries, at, at.Add(time.Minute)))
			}
			for at := crash; at.Before(crash.Add(dead)); at = at.Add(time.Minute) {
				taken = max(taken, dials(p.entries, at, at.Add(time.Minute)))
			}
			if calm > how.calm || taken > how.taken {
				t.Errorf("%s, %d processes: %d dials a minute while one reads, want %d; %d while a dead one has the slot, want %d",
					how.name, processes, calm, how.calm, taken, how.taken)
			}
			row += fmt.Sprintf(" | %s: %3d dials/min beside a reader, %3d at a dead slot", how.name, calm, taken)
		}
		t.Log(row)
	}
}

// TestNothingIsLostWithLeases is a bad day of two or three receivers with a
// lease whose store has a bad day of its own.
func TestNothingIsLostWithLeases(t *testing.T) {
	faults.Covers(t, "F1", "F2", "F3", "F4", "F15")
	soak(t, 4, func(seed Seed, over time.Duration) Scenario {
		s := BadDay(seed, over)
		store := new(leases)
		s.Processes, s.Lanes = 2+seed.Pick(2, "processes"), 0
		s.Client = receiver(store.leased)
		s.Nemeses = append(s.Nemeses,
			Nemesis{"lease store broken", 30 * time.Minute, func(w *World, n int) {
				some := map[string]bool{}
				if p := w.active(); p != nil {
					some[p.Name] = true
				}
				store.during(w.Seed.Between(time.Second, 5*time.Minute, "lease fault", n), [...]func(bool){
					func(on bool) { store.down = on },
					func(on bool) { store.hangs = on },
					func(on bool) { store.slow = time.Duration(oneIf(on)) * 800 * time.Millisecond },
					func(on bool) { store.cut = when(on, some) },
					func(on bool) { store.apart = when(on, some) },
					func(bool) { store.whole.Wipe() },
				}[w.Seed.Pick(6, "lease fault", n)])
			}},
			Nemesis{"holder frozen", time.Hour, func(w *World, n int) {
				if p := w.active(); p != nil {
					store.freeze(w, p, w.Seed.Between(time.Second, time.Minute, "frozen", n), (*wire).clog)
				}
			}},
			Nemesis{"holder cut off", time.Hour, func(w *World, n int) {
				if p := w.active(); p != nil {
					w.banish(p.Name, w.Seed.Between(time.Second, 5*time.Minute, "cut off", n))
				}
			}},
		)
		return s
	})
}

func when(on bool, some map[string]bool) map[string]bool {
	if on {
		return some
	}
	return nil
}

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}

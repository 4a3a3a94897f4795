package dedupe

import (
	"fmt"
	"strings"
	"testing"
)

// The model: two workers, one event, and a service that delivers it to any
// idle worker until it is acknowledged. Every order of their steps is tried,
// with a crash, leases that end under a live owner, a wiped store, a lost
// reply to a claim, a lost acknowledgement and a failing handler in every
// place. The records are those of Machine; time is "lease holds" (Until 1) or
// "lease is over" (Until 0), seen from 0.
type world struct {
	record  Record
	workers [2]worker
	acked   bool
	effect  bool // a run has succeeded
	settled bool // a success was committed, and the store was not wiped since
	crashed bool

	crashes, expiries, wipes, lostReplies, lostAcks, failures uint8 // left to happen
}

type worker struct {
	phase  phase
	token  Token
	leased bool // its lease holds, as far as anybody can know
}

type phase uint8

const (
	idle      phase = iota
	delivered       // about to claim
	running
	succeeded // about to commit
	failed    // about to release
	committed // about to acknowledge
)

// rules are the machine's, or what somebody might have built instead.
type rules struct {
	claim   func(Record, Hold) (Record, ClaimState)
	commit  func(Record, Hold) Record
	release func(Record, Hold) Record
	ackBusy bool
}

func rightRules() rules {
	var m Machine
	return rules{
		claim: func(r Record, h Hold) (Record, ClaimState) {
			next, c := m.Claim(r, 0, h)
			return next, c.State
		},
		commit: func(r Record, h Hold) Record {
			next, _ := m.Commit(r, 0, h, Succeeded)
			return next
		},
		release: func(r Record, h Hold) Record {
			next, _ := m.Release(r, 0, h)
			return next
		},
	}
}

// step is an edge: what happened, and the world after it.
type step struct {
	what string
	world
	// violation is a rule that was broken on the way.
	violation string
}

// steps returns all that can happen next.
func (w world) steps(rules rules) []step {
	var next []step
	add := func(what string, i int, change func(*world) string) {
		after := w
		if violation := change(&after); violation != "" {
			next = append(next, step{fmt.Sprintf("%s %c", what, 'A'+i), after, violation})
			return
		}
		after.normalize()
		next = append(next, step{fmt.Sprintf("%s %c", what, 'A'+i), after, after.violation()})
	}
	for i := range w.workers {
		hold := Hold{Key: "event", Token: w.workers[i].token, Lease: 1}
		switch w.workers[i].phase {
		case idle:
			if !w.acked {
				add("deliver to", i, func(w *world) string {
					w.workers[i] = worker{phase: delivered, token: w.freshToken()}
					return ""
				})
			}
		case delivered:
			claim := func(w *world) ClaimState {
				var state ClaimState
				w.record, state = rules.claim(w.record, hold)
				return state
			}
			add("claim by", i, func(w *world) string {
				switch claim(w) {
				case Acquired:
					if w.settled {
						return "a run starts after a success was committed"
					}
					w.workers[i].phase, w.workers[i].leased = running, true
				case Done:
					w.ack(i)
				case Busy:
					if rules.ackBusy {
						w.ack(i)
					}
					w.workers[i] = worker{}
				}
				return ""
			})
			if w.lostReplies > 0 {
				add("claim, its reply lost, by", i, func(w *world) string {
					w.lostReplies--
					claim(w) // and again, by the client library
					return ""
				})
			}
		case running:
			add("success of", i, func(w *world) string { w.workers[i].phase, w.effect = succeeded, true; return "" })
			if w.failures > 0 {
				add("failure of", i, func(w *world) string { w.failures--; w.workers[i].phase = failed; return "" })
			}
		case succeeded:
			add("commit by", i, func(w *world) string {
				w.record = rules.commit(w.record, hold)
				w.workers[i].phase, w.settled = committed, true
				return ""
			})
		case failed:
			add("release by", i, func(w *world) string {
				w.record = rules.release(w.record, hold)
				w.workers[i] = worker{}
				return ""
			})
		case committed:
			add("acknowledgement by", i, func(w *world) string { w.ack(i); return "" })
			if w.lostAcks > 0 {
				add("acknowledgement, lost, by", i, func(w *world) string { w.lostAcks--; w.workers[i] = worker{}; return "" })
			}
		}
		if w.workers[i].phase != idle && w.crashes > 0 {
			add("crash of", i, func(w *world) string { w.crashes--; w.crashed = true; w.workers[i] = worker{}; return "" })
		}
	}
	if w.record.State == InProgress && w.record.Until > 0 {
		owner := w.owner()
		if owner < 0 || w.expiries > 0 {
			add("end of the lease of", max(owner, 0), func(w *world) string {
				if owner >= 0 {
					w.expiries--
					w.workers[owner].leased = false
				}
				w.record.Until = 0
				return ""
			})
		}
	}
	if w.wipes > 0 {
		add("wipe", 0, func(w *world) string {
			w.wipes--
			w.record, w.settled = Record{}, false
			for i := range w.workers {
				w.workers[i].leased = false
			}
			return ""
		})
	}
	return next
}

func (w *world) ack(i int) {
	w.acked = true
	w.workers[i] = worker{}
}

// owner is the worker that holds the record's token, -1 when none does.
func (w *world) owner() int {
	for i, worker := range w.workers {
		if worker.phase != idle && worker.token == w.record.Token {
			return i
		}
	}
	return -1
}

// freshToken returns one that nobody uses: which one does not matter.
func (w *world) freshToken() Token {
	for n := byte(1); ; n++ {
		t := Token{n}
		if t != w.record.Token && t != w.workers[0].token && t != w.workers[1].token {
			return t
		}
	}
}

// normalize makes worlds equal that differ in what cannot matter.
func (w *world) normalize() {
	w.record.Attempt, w.record.Abandoned = 0, 0
	if w.record.State != InProgress {
		w.record.Until = min(w.record.Until, DefaultRetention)
	}
}

// violation names the rule that this world breaks.
func (w *world) violation() string {
	switch {
	case w.acked && !w.effect:
		return "the event is lost"
	case w.workers[0].phase == running && w.workers[1].phase == running && w.workers[0].leased && w.workers[1].leased:
		return "two runs at once, and both leases hold"
	case w.record.State == InProgress && w.record.Until > 0 && w.owner() < 0 && !w.crashed:
		return "a lease without an owner, and nobody crashed"
	}
	return ""
}

type verdict struct {
	worlds    int
	violation string
	story     []string
	stuck     int // worlds from which no acknowledgement can be reached
}

// explore tries everything, nearest first, up to the first violation.
func explore(start world, rules rules) verdict {
	type from struct {
		world world
		what  string
	}
	came := map[world]from{start: {}}
	back := make(map[world][]world)
	queue := []world{start}
	for len(queue) > 0 {
		w := queue[0]
		queue = queue[1:]
		for _, s := range w.steps(rules) {
			if s.violation != "" {
				story := []string{s.what}
				for at := w; at != start; at = came[at].world {
					story = append([]string{came[at].what}, story...)
				}
				return verdict{len(came), s.violation, story, 0}
			}
			back[s.world] = append(back[s.world], w)
			if _, seen := came[s.world]; !seen {
				came[s.world] = from{w, s.what}
				queue = append(queue, s.world)
			}
		}
	}
	// Backwards from every acknowledgement.
	reaches := make(map[world]bool)
	for w := range came {
		if w.acked {
			reaches[w] = true
			queue = append(queue, w)
		}
	}
	for len(queue) > 0 {
		w := queue[0]
		queue = queue[1:]
		for _, before := range back[w] {
			if !reaches[before] {
				reaches[before] = true
				queue = append(queue, before)
			}
		}
	}
	return verdict{worlds: len(came), stuck: len(came) - len(reaches)}
}

var beginning = world{crashes: 2, expiries: 2, wipes: 1, lostReplies: 1, lostAcks: 1, failures: 2}

func TestModel(t *testing.T) {
	v := explore(beginning, rightRules())
	if v.violation != "" {
		t.Errorf("%s: %s", v.violation, strings.Join(v.story, ", "))
	}
	if v.stuck > 0 {
		t.Errorf("from %d worlds no acknowledgement can be reached", v.stuck)
	}
	t.Logf("%d worlds, no violation", v.worlds)
	if v.worlds < 10_000 {
		t.Errorf("only %d worlds: the model has lost its faults", v.worlds)
	}
}

// Each variant is a rule that somebody has built, and what it leads to.
func TestModelFindsWrongRules(t *testing.T) {
	right := rightRules()
	for name, wrong := range map[string]struct {
		change    func(*rules)
		violation string
	}{
		"mark first": {
			func(r *rules) {
				r.claim = func(rec Record, h Hold) (Record, ClaimState) {
					if rec.State == Absent {
						return Record{State: Finished, Until: 1}, Acquired
					}
					return rec, Done
				}
				r.release = func(rec Record, _ Hold) Record { return rec }
			},
			"the event is lost",
		},
		"in progress is acknowledged": {
			func(r *rules) { r.ackBusy = true },
			"the event is lost",
		},
		"release without token": {
			func(r *rules) {
				r.release = func(rec Record, h Hold) Record {
					h.Token = rec.Token
					return right.release(rec, h)
				}
			},
			"two runs at once, and both leases hold",
		},
		"release deletes": {
			func(r *rules) { r.release = func(Record, Hold) Record { return Record{} } },
			"two runs at once, and both leases hold",
		},
		"no check for one's own token": {
			func(r *rules) {
				r.claim = func(rec Record, h Hold) (Record, ClaimState) {
					if rec.State == InProgress && rec.Until > 0 {
						return rec, Busy
					}
					return right.claim(rec, h)
				}
			},
			"a lease without an owner, and nobody crashed",
		},
		"commit only with one's own token": {
			func(r *rules) {
				r.commit = func(rec Record, h Hold) Record {
					if rec.State == InProgress && rec.Token != h.Token || rec.State == Free {
						return rec
					}
					return right.commit(rec, h)
				}
			},
			"a run starts after a success was committed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			rules := rightRules()
			wrong.change(&rules)
			v := explore(beginning, rules)
			if v.violation != wrong.violation {
				t.Errorf("found %q after %d worlds, want %q", v.violation, v.worlds, wrong.violation)
			}
			t.Logf("%d worlds: %s in %d steps: %s", v.worlds, v.violation, len(v.story), strings.Join(v.story, ", "))
		})
	}
}

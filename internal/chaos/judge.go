package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
)

// violation is a promise that was broken, and the entries that show it.
type violation struct {
	half string // "relay", "work" or "run"
	history.Violation
	around []history.Entry
}

// again is an event that took effect once more.
type again struct {
	event         string
	first, second history.Entry // effects
	kill          int           // the number of the crash or fault that explains it, from 1; 0 for none
	cause         string
}

// struck is a kill that happened.
type struck struct {
	number int
	life   string
	kind   string
	at     time.Time
}

// share is what one worker did.
type share struct {
	name           string
	lives, handled int
}

// verdict is what the table says.
type verdict struct {
	events, published, deliveries, acked int
	entries, inStream, handled, parked   int
	failed                               int // runs that failed on purpose
	twice, twiceInStream                 []again
	began                                time.Time
	kills                                []struck
	takeOvers                            []time.Duration // by receivers
	inherited                            []time.Duration // by workers, of an event each
	standby                              int             // kills of a receiver that stood by
	refusals                             int
	shares                               []share
	took                                 time.Duration
	violations                           []violation
}

// rules are what is checked beyond the rules of package history, with why it
// has to hold.
//
//	watched      the driver has read every entry that Redis counts in the stream
//	settled      at the end the group has nothing pending
//	handled      each event that was to be published has taken effect
//	parked       nothing is in the dead letters: no event has anything wrong
//	spread       each worker did at least a tenth of an even share
var rules = []string{"watched", "settled", "handled", "parked", "spread"}

func judge(f facts) verdict {
	relay, work := relayHalf(f), workHalf(f)
	v := verdict{events: f.events, entries: len(f.appended), parked: len(f.dead)}
	check := func(half string, entries []history.Entry, b history.Bounds) {
		for _, found := range history.Check(entries, b) {
			v.violations = append(v.violations, violation{half, found, history.Around(entries, found)})
		}
	}
	check("relay", relay, history.Bounds{InFlight: window})
	check("work", work, history.Bounds{})
	v.count(f)
	v.twice = doubles(work, v.kills)
	v.twiceInStream = doubles(relay, v.kills)
	dark := outages(f.driver)
	for i, a := range v.twice {
		// Those of a store are in the order of the outages.
		n := slices.IndexFunc(dark, func(o outage) bool { return o.covers(a.first.Time) })
		if a.kill == 0 && n >= 0 {
			n = slices.IndexFunc(v.kills, func(k struck) bool { return k.kind == store && k.at.Equal(dark[n].from) })
			v.twice[i].kill, v.twice[i].cause = v.kills[n].number, store+" killed"
		}
	}

	broken := func(rule string, wrong bool, format string, args ...any) {
		if wrong {
			v.violations = append(v.violations, violation{half: "run", Violation: history.Violation{
				Rule: rule, Seq: -1, Text: fmt.Sprintf(format, args...),
			}})
		}
	}
	broken("watched", int64(v.entries) != f.added, "%d entries were read, Redis counts %d", v.entries, f.added)
	pending := 0
	if n := len(f.looks); n > 0 {
		pending = len(f.looks[n-1].pending)
	}
	broken("settled", pending > 0 || len(f.looks) == 0, "%d entries are pending at the end", pending)
	broken("handled", v.handled != f.events, "%d of %d events were handled", v.handled, f.events)
	broken("parked", v.parked > 0, "%d events are in the dead letters", v.parked)
	for _, s := range v.shares {
		broken("spread", s.handled*len(v.shares)*10 < v.handled, "%s handled %d of %d events", s.name, s.handled, v.handled)
	}
	return v
}

func (v *verdict) count(f facts) {
	var first, last time.Time
	active, down := "", (*struck)(nil)
	ran, died := map[string]string{}, map[string]time.Time{}
	for _, e := range inOrder(slices.Concat(f.service, f.driver)) {
		switch e.Op {
		case history.Enqueue:
			v.published++
			if first.IsZero() {
				first = e.Time
			}
		case history.Deliver:
			v.deliveries++
			if down != nil && active != down.life {
				v.takeOvers = append(v.takeOvers, e.Time.Sub(down.at))
				down = nil
			}
		case history.AckProcessed:
			v.acked++
		case history.Connect:
			active = e.Actor
		case refused:
			v.refusals++
		case history.Start:
			if at, dead := died[ran[e.Event]]; dead {
				v.inherited = append(v.inherited, e.Time.Sub(at))
			}
			ran[e.Event] = e.Actor
		case history.Effect:
			last = e.Time
		case history.End:
			if e.Result != history.OK {
				v.failed++
			}
		case history.Crash, history.StoreFault:
			if e.Op == history.StoreFault && e.Result != storeKilled {
				continue
			}
			died[e.Actor] = e.Time
			s := struck{len(v.kills) + 1, e.Actor, kindOf(e.Actor), e.Time}
			if s.kind == receiver {
				// The service may still think that it is there.
				if e.Actor == active {
					down = &s
				} else {
					v.standby++
				}
			}
			v.kills = append(v.kills, s)
		}
	}
	if v.began = first; last.After(first) {
		v.took = last.Sub(first)
	}

	seen := map[string]bool{}
	for _, a := range f.appended {
		if !seen[a.event] {
			seen[a.event] = true
			v.inStream++
		}
	}
	byWorker := map[string]map[string]bool{}
	lives := map[string]map[string]bool{}
	all := map[string]bool{}
	for _, name := range f.workers {
		byWorker[name], lives[name] = map[string]bool{}, map[string]bool{}
	}
	for _, e := range f.driver {
		name, _, _ := strings.Cut(e.Actor, ".")
		if byWorker[name] == nil {
			continue
		}
		lives[name][e.Actor] = true
		if e.Op == history.Effect {
			byWorker[name][e.Event], all[e.Event] = true, true
		}
	}
	v.handled = len(all)
	for _, name := range f.workers {
		v.shares = append(v.shares, share{name, len(lives[name]), len(byWorker[name])})
	}
}

func kindOf(actor string) string {
	kind, _, found := strings.Cut(actor, "-")
	if !found {
		return store
	}
	return kind
}

// doubles lists the effects of each event after its first, each with the kill
// that explains it: of the process that had the event before, between the
// start of its run and the next effect, while the event was not settled; or of
// the store between the two. What an outage leaves is for judge.
func doubles(entries []history.Entry, kills []struck) []again {
	type effect struct {
		history.Entry
		start, commit time.Time
	}
	effects := map[string][]effect{}
	starts := map[string]time.Time{}
	var order []string
	for _, e := range entries {
		switch e.Op {
		case history.Start:
			starts[e.Token] = e.Time
		case history.Effect:
			if len(effects[e.Event]) == 1 {
				order = append(order, e.Event)
			}
			effects[e.Event] = append(effects[e.Event], effect{Entry: e, start: starts[e.Token]})
		case history.Commit:
			for i, f := range effects[e.Event] {
				if f.Actor == e.Actor && f.commit.IsZero() {
					effects[e.Event][i].commit = e.Time
				}
			}
		}
	}
	var all []again
	for _, event := range order {
		of := effects[event]
		for i := 1; i < len(of); i++ {
			a := again{event: event, first: of[i-1].Entry, second: of[i].Entry, cause: "unexplained"}
			for _, k := range kills {
				mine := k.life == of[i-1].Actor && (of[i-1].commit.IsZero() || k.at.Before(of[i-1].commit))
				between := k.at.After(of[i-1].start) && k.at.Before(of[i].Time)
				if between && (mine || k.kind == store && a.kill == 0) {
					a.kill, a.cause = k.number, k.kind+" killed"
				}
			}
			all = append(all, a)
		}
	}
	return all
}

package sim

import (
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// BadDay is a scenario full of faults, drawn from the seed: which readings of
// the published pages the service follows, how many processes there are, what
// handlers do, which messages get lost, where processes crash. Every fault of
// it is one that must lose nothing; what lets an event run twice is left to
// Amnesia.
func BadDay(seed Seed, over time.Duration) Scenario {
	coin := func(what string) bool { return seed.Chance(0.5, "reading", what) }
	lanes := 1 + seed.Pick(2, "lanes")*7
	s := Scenario{
		Seed: seed, Over: over, Events: int(over.Hours() * 240),
		Processes: 1 + seed.Pick(2, "processes"), Client: Framework(eds.Concurrency(lanes)), Lanes: lanes,
		Window:    []int{1, 10, 64}[seed.Pick(3, "window")],
		StaleHold: []time.Duration{0, time.Second, 30 * time.Second}[seed.Pick(3, "stale hold")],
		Lenient:   coin("lenient"), ByClose: coin("by close"), NoReplies: coin("no replies"),
		HoldUnacked: coin("hold unacked"), RedeliverLast: coin("redeliver last"),
		Nemeses: Nemeses(20 * time.Minute),
	}
	s.Act = func(event string, n int) Act {
		for _, rare := range []struct {
			act    Act
			chance float64
		}{{Fails, 0.02}, {Refuses, 0.002}, {Panics, 0.005}, {Exits, 0.002}, {Slow, 0.001}, {Stuck, 0.0005}, {Waits, 0.001}, {LateErr, 0.002}, {Hands, 0.002}} {
			if seed.Chance(rare.chance, "act", rare.act, event, n) {
				return rare.act
			}
		}
		return Works
	}
	s.Unhandled = func(event string) bool { return seed.Chance(0.02, "unhandled", event) }
	s.ParkFails = func(event string, n int) bool { return seed.Chance(0.2, "park", event, n) }
	s.CrashAt = func(at Point, event string, n int) bool { return seed.Chance(0.0005, "crash", at, event, n) }
	s.StoreCall = func(process, op, event string, n int) StoreFault {
		at := []any{process, op, event, n}
		with := func(what string) []any { return append([]any{what}, at...) }
		var f StoreFault
		f.Refuse = seed.Chance(0.003, with("refuse")...)
		f.LoseReply = seed.Chance(0.006, with("lose")...)
		f.Silent = seed.Chance(0.3, with("silent")...)
		if seed.Chance(0.01, with("slow")...) {
			f.Latency = seed.Between(time.Millisecond, 3*time.Second, with("latency")...)
		}
		return f
	}
	s.Frame = func(f Frame) FrameFault {
		at := func(what string) []any { return []any{what, f.Type, f.Event, f.N} }
		var fault FrameFault
		switch {
		case seed.Chance(0.01, at("drop")...):
			fault.Drop = true
		case seed.Chance(0.002, at("cut")...):
			fault.Cut = true
		case seed.Chance(0.02, at("delay")...):
			fault.Delay = seed.Between(time.Millisecond, 40*time.Second, at("delay for")...)
		case f.Type == "EVENT" && seed.Chance(0.01, at("twice")...):
			fault.Twice = true
		}
		return fault
	}
	return s
}

// Amnesia is a BadDay on which the dedupe store forgets as well: it is wiped,
// its clock jumps, or it dies with its process. Events may then run twice, and
// still none may be lost.
func Amnesia(seed Seed, over time.Duration) Scenario {
	s := BadDay(seed, over)
	s.Nemeses = append(s.Nemeses, Forgetful(30*time.Minute)...)
	if seed.Chance(0.5, "alone") {
		s.Client, s.Processes, s.Lanes = FrameworkAlone(), 1, 1
	}
	return s
}

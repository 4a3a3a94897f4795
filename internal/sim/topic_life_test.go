package sim

import (
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/history"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

// As in life_test.go: a few events, one fault, and exactly what becomes of
// them.

func TestReaderCrashAroundASave(t *testing.T) {
	for _, tc := range []struct {
		at      Point
		effects int
	}{
		{BeforeSave, 2}, // the save that the crash has lost
		{AfterSave, 1},
	} {
		t.Run(string(tc.at), func(t *testing.T) {
			p := one(t, Scenario{
				Topic: &Topic{}, Client: FrameworkWithoutStore(),
				CrashAt: func(at Point, _ string, n int) bool { return at == tc.at && n == 1 },
			})
			r := p.report
			if r.Ops[history.Crash] != 1 || r.Ops[history.Effect] != tc.effects || r.Ops[history.Saved] != 1 {
				t.Errorf("%d crashes, %d effects, saved above the event %d times; want 1, %d, 1",
					r.Ops[history.Crash], r.Ops[history.Effect], r.Ops[history.Saved], tc.effects)
			}
		})
	}
}

// TestReaderRepeatsNothingAfterAProperEnd restarts a reader without a dedupe
// store, in the middle of events that run side by side.
func TestReaderRepeatsNothingAfterAProperEnd(t *testing.T) {
	p := one(t, Scenario{
		Topic: &Topic{SaveEvery: 5 * time.Minute}, Client: FrameworkWithoutStore(eds.Concurrency(8)), Events: 200,
		Nemeses: []Nemesis{{"deployment", time.Minute, func(w *World, n int) { w.pick(n).Restart() }}},
	})
	if r := p.report; r.Duplicated != 0 || r.Ops[history.Start] != 200 || r.Ops[history.Stop] < 5 {
		t.Errorf("%d runs, %d more effects, %d restarts", r.Ops[history.Start], r.Duplicated, r.Ops[history.Stop])
	}
}

// TestReaderOfTheLatestKeepsItsPlace cuts the connection while the first event
// that a reader has ever got is given back, so that nothing is settled yet, and
// crashes it later. To begin with the latest again would leave it out, and
// what comes between two connections too.
func TestReaderOfTheLatestKeepsItsPlace(t *testing.T) {
	p := one(t, Scenario{
		Topic: &Topic{Start: pulsarws.Latest}, Client: FrameworkWithoutStore(eds.Concurrency(2)), Events: 100,
		Act: func(event string, n int) Act {
			if event == "e00000" && n <= 3 {
				return Hands
			}
			return Works
		},
		Nemeses: []Nemesis{{"cut and crash", 20 * time.Second, func(w *World, n int) {
			switch {
			case n == 3:
				w.pick(n).Crash("before anything is settled")
			case n < 6:
				w.refuse(pulsartest.Refuse(503), 10*time.Second)
			}
		}}},
	})
	if r := p.report; r.OK != 100 || r.Ops[history.Crash] != 1 || r.Ops[history.Connect] < 4 {
		t.Errorf("%d ok, %d crashes, %d connections", r.OK, r.Ops[history.Crash], r.Ops[history.Connect])
	}
}

// TestReaderPositionWaitsForTheFirst: the first event is given back for
// several minutes, the others go on, and the process then crashes: all of them
// come again, since the position never lay above the first.
func TestReaderPositionWaitsForTheFirst(t *testing.T) {
	p := one(t, Scenario{
		Topic: &Topic{}, Client: FrameworkWithoutStore(eds.Concurrency(2)), Events: 20, AtOnce: true,
		Act: func(event string, n int) Act {
			if event == "e00000" && n <= 3 {
				return Hands
			}
			return Works
		},
		Nemeses: []Nemesis{{"crash", 2 * time.Minute, func(w *World, n int) {
			if n == 1 { // at 1 to 3 minutes
				w.pick(1).Crash("while the first event waits")
			}
		}}},
	})
	if r := p.report; r.Ops[history.Effect] != 19+20 || r.Duplicated != 19 {
		t.Errorf("%d effects, %d of them again; want 39, 19", r.Ops[history.Effect], r.Duplicated)
	}
}

// TestNoReaderOrConsumerStallsAtItsWindow: on one connection, many times the
// window is delivered.
func TestNoReaderOrConsumerStallsAtItsWindow(t *testing.T) {
	for name, spec := range map[string]Topic{
		"reader": {Window: 2}, "consumer": {Window: 2, Kind: pulsarws.Exclusive}, "pull": {Window: 2, Kind: pulsarws.Shared, Pull: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := one(t, Scenario{Topic: &spec, Client: FrameworkWithoutStore(), Events: 100, Over: time.Hour})
			p.want(t, counts{runs: 100, effects: 100, deliveries: 100, acks: p.report.Ops[history.AckSent]})
			if n := p.report.Ops[history.Connect]; n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

func TestConsumerThatGivesBack(t *testing.T) {
	one(t, Scenario{Topic: &Topic{Kind: pulsarws.Shared}, Act: acts(Hands)}).
		want(t, counts{runs: 2, effects: 1, deliveries: 2, acks: 1})
}

func TestServiceDeadLettersWhatComesBackTooOften(t *testing.T) {
	one(t, Scenario{Topic: &Topic{Kind: pulsarws.Shared, DeadLetters: 2}, Act: acts(Hands, Hands, Hands, Hands)}).
		want(t, counts{runs: 3, parked: 1, deliveries: 3})
}

func TestConsumerAnswerLostInTheService(t *testing.T) {
	spec := Topic{Kind: pulsarws.Exclusive, AckTimeout: 30 * time.Second, Lost: func(_ string, n int) bool { return n == 1 }}
	one(t, Scenario{Topic: &spec}).want(t, counts{runs: 1, effects: 1, deliveries: 2, acks: 1})
}

// TestReaderRaisesNoFalseAlarm: nothing is ever missing from the topic of a bad
// day, whatever else happens, so no reader may say so.
func TestReaderRaisesNoFalseAlarm(t *testing.T) {
	ended := 0
	for seed := range Seed(4) {
		for _, e := range play(t, ReaderDay(pulsarws.Earliest)(seed, 2*time.Hour)).entries {
			if e.Op == history.Gauge && e.Result == alarms {
				if ended++; e.Value > 0 {
					t.Errorf("seed %d: %v", seed, e)
				}
			}
		}
	}
	if ended < 4 {
		t.Errorf("%d readers were asked", ended)
	}
}

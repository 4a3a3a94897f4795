package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
)

// mishap is what goes wrong the first time.
type mishap struct {
	name  string
	frame string
	how   FrameFault
	store string
	fault StoreFault
}

var mishaps = []mishap{
	{name: "nothing"},
	{name: "message cut", frame: "MESSAGE", how: FrameFault{Cut: true}},
	{name: "message and connection lost", frame: "MESSAGE", how: FrameFault{Lose: true}},
	{name: "answer cut", frame: "ACK", how: FrameFault{Cut: true}},
	{name: "answer and connection lost", frame: "ACK", how: FrameFault{Lose: true}},
	{name: "nack cut", frame: "NACK", how: FrameFault{Cut: true}},
	{name: "claim refused", store: "claim", fault: StoreFault{Refuse: true}},
	{name: "commit refused", store: "commit", fault: StoreFault{Refuse: true}},
	{name: "save refused", store: "save", fault: StoreFault{Refuse: true}},
	{name: "save's reply lost", store: "save", fault: StoreFault{LoseReply: true}},
	{name: "save late", store: "save", fault: StoreFault{Late: 20 * time.Second}},
	{name: "load refused", store: "load", fault: StoreFault{Refuse: true}},
}

// TestEveryCrashPointTimesEveryMishapOfATopic plays the lives of three events
// with each combination of a crash, a mishap, and what the handler does the
// first time. A short run plays every third of them.
func TestEveryCrashPointTimesEveryMishapOfATopic(t *testing.T) {
	every := map[bool]int{false: 3, true: 7}[raceEnabled]
	if setting(*hours, "EDS_SIM_HOURS") > 0 {
		every = 1
	}
	cases, happened := 0, map[string]int{}
	for _, of := range []struct {
		name  string
		world Scenario
	}{
		{"exclusive", Scenario{Topic: &Topic{Kind: pulsarws.Exclusive}, Client: Framework(eds.Concurrency(2))}},
		{"shared", Scenario{Topic: &Topic{Kind: pulsarws.Shared}, Client: Framework(), Processes: 2}},
		{"reader", Scenario{Topic: &Topic{}, Client: Framework(eds.Concurrency(2))}},
		{"reader without a store", Scenario{Topic: &Topic{}, Client: FrameworkWithoutStore(eds.Concurrency(2))}},
	} {
		for _, crash := range slices.Concat([]Point{"nowhere"}, Points, SavePoints) {
			for _, m := range mishaps {
				if of.world.Topic.Kind != "" && (slices.Contains(SavePoints, crash) || m.store == "save" || m.store == "load") {
					continue // it saves nothing
				}
				for _, act := range []Act{Works, Fails, Hands, Refuses} {
					if cases++; cases%every != 0 {
						continue
					}
					s := of.world
					s.Seed, s.Events, s.Over, s.AtOnce = Seed(cases), 3, 12*time.Minute, true
					s.Act = func(_ string, n int) Act {
						if n == 1 {
							return act
						}
						return Works
					}
					s.CrashAt = func(at Point, _ string, n int) bool { return at == crash && n == 1 }
					s.Frame = func(f Frame) FrameFault {
						if f.Type == m.frame && f.N == 1 {
							return m.how
						}
						return FrameFault{}
					}
					s.StoreCall = func(_, op, _ string, n int) StoreFault {
						if op == m.store && n == 1 {
							return m.fault
						}
						return StoreFault{}
					}
					t.Run(fmt.Sprintf("%s, crash %s, %s, handler %s", of.name, crash, m.name, act), func(t *testing.T) {
						p := play(t, s)
						p.wantNoViolation(t)
						for what, n := range p.report.Faults {
							happened[what] += n
						}
					})
				}
			}
		}
	}
	for _, point := range slices.Concat(Points, SavePoints) {
		if happened["crash "+string(point)] == 0 {
			t.Errorf("no crash %s happened", point)
		}
	}
	for _, what := range []string{
		"MESSAGE cut off", "MESSAGE lost with all that follows", "ACK cut off", "ACK lost with all that follows", "NACK cut off",
		"claim refused", "commit refused", "save refused", "save reply lost", "save late", "load refused",
	} {
		if happened[what] == 0 {
			t.Errorf("%q never happened", what)
		}
	}
	t.Logf("%d cases", cases/every)
}

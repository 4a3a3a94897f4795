package sim

import (
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
)

// badDay is what both naive clients are put through: handlers that fail now
// and then, and a store whose replies get lost.
func badDay(seed Seed, client Client) Scenario {
	return Scenario{
		Seed: seed, Client: client, Events: 600, Over: 2 * time.Hour,
		Act: func(event string, n int) Act {
			if seed.Chance(0.02, "act", event, n) {
				return Fails
			}
			return Works
		},
		StoreCall: func(_, op, event string, n int) StoreFault {
			return StoreFault{LoseReply: op == "claim" && seed.Chance(0.02, "claim", event, n)}
		},
	}
}

func TestNaiveClientsWorkInFairWeather(t *testing.T) {
	for name, client := range map[string]Client{"vendor": VendorPseudoCode, "mark first": MarkFirst} {
		t.Run(name, func(t *testing.T) {
			p := play(t, Scenario{Seed: 1, Client: client, Events: 200, Over: time.Hour})
			p.wantNoViolation(t)
		})
	}
}

func TestVendorPseudoCodeLosesEvents(t *testing.T) {
	p := play(t, badDay(1, VendorPseudoCode))
	p.wantLoss(t)
	if acks := p.report.Ops[history.AckProcessed]; acks != p.report.Attempted {
		t.Errorf("%d of %d acknowledged: the loss should go unnoticed", acks, p.report.Attempted)
	}
}

func TestMarkFirstLosesEventsWithoutAnyHandlerError(t *testing.T) {
	s := badDay(2, MarkFirst)
	s.Act = nil
	play(t, s).wantLoss(t)
}

// wantLoss says that the checker must find lost events, and nothing but what
// follows from them.
func (p played) wantLoss(t *testing.T) {
	t.Helper()
	rules := map[string]int{}
	for _, v := range p.violations {
		rules[v.Rule]++
	}
	t.Logf("%v: %d of %d events lost", rules, p.report.Lost, p.report.Attempted)
	if p.report.Lost == 0 || rules["lost"] != p.report.Lost || rules["early-ack"] != p.report.Lost || len(rules) != 2 {
		t.Errorf("want lost events, each acknowledged early, and nothing else; have %v, %d lost", rules, p.report.Lost)
	}
}

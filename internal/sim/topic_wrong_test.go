package sim

import (
	"context"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
)

// TestWrongTopicProgramsAreCaught puts programs on the real transports, with
// one mistake each, through bad days.
func TestWrongTopicProgramsAreCaught(t *testing.T) {
	reader, shared, keys := ReaderDay(pulsarws.Earliest), ConsumerDay(pulsarws.Shared), ConsumerDay(pulsarws.KeyShared)
	for name, tc := range map[string]struct {
		day    func(Seed, time.Duration) Scenario
		client Client
		rule   string // one of those that must find it
	}{
		"reader: settles before the work":         {reader, ackFirst, "saved-ahead"},
		"reader: settles when it receives":        {reader, withTransport(func(t eds.Transport) eds.Transport { return ackAtOnce{t} }), "saved-ahead"},
		"reader: settles nothing":                 {reader, withTransport(func(t eds.Transport) eds.Transport { return neverAck{t} }), "unacked"},
		"reader: keeps no dead letters":           {reader, noDeadLetter, "lost"},
		"reader: marks the event before the work": {reader, withStore(func(s dedupe.Store) dedupe.Store { return markFirst{s} }), "lost"},

		"consumer: has no dedupe store":                       {shared, withoutDedupe, "double-effect"},
		"consumer: acknowledges what another worker is doing": {shared, withStore(func(s dedupe.Store) dedupe.Store { return busyIsDone{s} }), "early-ack"},
		"consumer: acknowledges before the work":              {shared, ackFirst, "early-ack"},
		"consumer: never acknowledges":                        {shared, withTransport(func(t eds.Transport) eds.Transport { return neverAck{t} }), "unacked"},
		"consumer: runs a key's events side by side":          {keys, Framework(eds.Concurrency(8)), "order"},
	} {
		t.Run(name, func(t *testing.T) {
			found := map[string]int{}
			for seed := Seed(1); seed <= 10 && found[tc.rule] == 0; seed++ {
				s := tc.day(seed, time.Hour)
				s.Lanes, s.Client = 0, tc.client
				for rule, n := range play(t, s).rules() {
					found[rule] += n
				}
			}
			t.Log(found)
			if found[tc.rule] == 0 {
				t.Errorf("rules %v are broken; want %s among them", found, tc.rule)
			}
		})
	}
}

// ackAtOnce settles what it hands out.
type ackAtOnce struct{ eds.Transport }

func (a ackAtOnce) Receive(ctx context.Context) (*eds.Delivery, error) {
	d, err := a.Transport.Receive(ctx)
	if err == nil {
		_ = a.Transport.Ack(ctx, d)
	}
	return d, err
}

// TestAnswerRuleCatchesASecondAnswer: the transports do not let a program
// answer twice, so the wire does.
func TestAnswerRuleCatchesASecondAnswer(t *testing.T) {
	for name, spec := range map[string]Topic{"reader": {}, "consumer": {Kind: pulsarws.Exclusive}} {
		t.Run(name, func(t *testing.T) {
			p := play(t, Scenario{Seed: 1, Events: 1, Over: time.Minute, Client: Framework(), Topic: &spec, Frame: func(f Frame) FrameFault {
				return FrameFault{Twice: f.Type == "ACK"}
			}})
			if p.rules()["answers"] != 1 {
				t.Errorf("violations %v, want one of answers among them", p.violations)
			}
		})
	}
}

package sim

import (
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/transport/pulsarws"
)

// topicWeather is a day of handlers that fail now and then, processes that
// crash, and connections that break: less than a TopicDay.
func topicWeather(seed Seed, spec Topic, client Client, faults bool) Scenario {
	s := Scenario{Seed: seed, Client: client, Topic: &spec, Events: 600, Over: 2 * time.Hour}
	if spec.Kind != "" {
		spec.NackDelay = time.Second
	}
	if !faults {
		return s
	}
	s.Act = func(event string, n int) Act {
		if seed.Chance(0.02, "act", event, n) {
			return Fails
		}
		return Works
	}
	s.CrashAt = func(at Point, event string, n int) bool { return seed.Chance(0.005, "crash", at, event, n) }
	s.Nemeses = []Nemesis{{"connections cut", 10 * time.Minute, func(w *World, _ int) { w.each((*wire).cut) }}}
	return s
}

var naives = map[string]struct {
	client Client
	spec   Topic
	fair   bool     // works as long as nothing goes wrong
	rules  []string // that it breaks when something does
}{
	"careful reader":                 {client: CarefulReader, fair: true},
	"careful consumer":               {client: CarefulConsumer, spec: Topic{Kind: pulsarws.Exclusive}, fair: true},
	"reconnects with latest":         {client: LatestReader, spec: Topic{Start: pulsarws.Latest}, fair: true, rules: []string{"lost", "saved-ahead"}},
	"saves the highest id":           {client: HighestReader, rules: []string{"lost", "saved-ahead"}},
	"gives no credit":                {client: SilentReader, rules: []string{"lost", "unacked"}},
	"acknowledges before it handles": {client: HastyConsumer, spec: Topic{Kind: pulsarws.Exclusive}, rules: []string{"early-ack", "lost"}},
}

// TestNaiveTopicClients puts clients with one mistake each through a bad day.
// The two without show that it is the mistake which is found.
func TestNaiveTopicClients(t *testing.T) {
	for name, n := range naives {
		t.Run(name, func(t *testing.T) {
			fair, foul := play(t, topicWeather(1, n.spec, n.client, false)), play(t, topicWeather(1, n.spec, n.client, true))
			t.Logf("fair %v, foul %v, lost %d of %d", fair.rules(), foul.rules(), foul.report.Lost, foul.report.Attempted)
			if n.fair {
				fair.wantNoViolation(t)
			}
			if len(n.rules) == 0 {
				foul.wantNoViolation(t)
			}
			for _, rule := range n.rules {
				if foul.rules()[rule] == 0 {
					t.Errorf("rules %v are broken; want %s among them", foul.rules(), rule)
				}
			}
		})
	}
}

// rules counts the violations of each rule.
func (p played) rules() map[string]int {
	n := map[string]int{}
	for _, v := range p.violations {
		n[v.Rule]++
	}
	return n
}

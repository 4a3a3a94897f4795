package sim

import (
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/history"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
)

// TestKeysStayInOrder: three workers share the keys, handlers are slow and
// fail now and then, and nothing is given back: so the checker excuses no
// event.
func TestKeysStayInOrder(t *testing.T) {
	p := play(t, Scenario{
		Seed: 1, Events: 1000, Over: 10 * time.Minute, Processes: 3, Lanes: 8,
		Topic:  &Topic{Kind: pulsarws.KeyShared, Keys: 20, Window: 64},
		Client: Framework(eds.Concurrency(8), eds.OrderBy(pulsarws.Key)),
		Act: func(event string, n int) Act {
			if n == 1 && Seed(1).Chance(0.1, "act", event) {
				return Fails
			}
			return Works
		},
	})
	p.wantNoViolation(t)
	workers, keys, atOnce, most := map[string]int{}, map[string]bool{}, 0, 0
	for _, e := range p.entries {
		switch e.Op {
		case history.GivenBack:
			t.Errorf("given back: %v", e)
		case history.Enqueue:
			keys[e.Key] = true
		case history.Start:
			workers[e.Actor]++
			atOnce++
			most = max(most, atOnce)
		case history.End:
			atOnce--
		}
	}
	if len(workers) != 3 || len(keys) != 20 || most < 5 || p.report.Ops[history.Start] < 1050 {
		t.Errorf("%v runs of %d keys, %d at once, by %v", p.report.Ops[history.Start], len(keys), most, workers)
	}
}

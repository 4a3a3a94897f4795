package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/internal/history"
)

// TestStandbyTakesOver has two processes on one queue. The one that holds it
// crashes for good in the middle of an event; the other one, which was refused
// with 409 or 4409 all the time, takes over, finishes that event and goes on.
func TestStandbyTakesOver(t *testing.T) {
	faults.Covers(t, "A4", "A5", "D1", "E10")
	for name, byClose := range map[string]bool{"409": false, "close 4409": true} {
		t.Run(name, func(t *testing.T) {
			s := Scenario{
				Seed: 7, Client: Framework(), Processes: 2, Events: 40, Over: time.Hour, ByClose: byClose,
				Restart: 48 * time.Hour, // after the end
				CrashAt: func(at Point, event string, n int) bool { return at == BeforeEffect && event == "e00020" && n == 1 },
			}
			p := play(t, s)
			p.wantNoViolation(t)

			var before, after []string // who handled events
			crashed := time.Time{}
			for _, e := range p.entries {
				switch {
				case e.Op == history.Crash:
					crashed = e.Time
				case e.Op == history.Effect && crashed.IsZero():
					before = append(before, e.Actor)
				case e.Op == history.Effect:
					after = append(after, e.Actor)
				}
			}
			if got := slices.Compact(before); len(got) != 1 || len(before) != 20 {
				t.Errorf("before the crash %d events were handled by %v", len(before), got)
			}
			if got := slices.Compact(after); len(got) != 1 || len(after) != 20 || got[0] == before[0] {
				t.Errorf("after the crash %d events were handled by %v, before it by %v", len(after), got, before[0])
			}
			// The lease of the dead process may delay its event, for 30 s and
			// until the next delivery; nothing may take longer than that.
			if max := p.report.Handling.Quantile(1); max > 90*time.Second {
				t.Errorf("an event took %v", max)
			}
		})
	}
}

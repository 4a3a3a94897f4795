package sim

import (
	"flag"
	"os"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/eventdelivery/eds-go/internal/history"
)

var (
	oneSeed = flag.Uint64("sim.seed", 0, "play this seed alone; also EDS_SIM_SEED")
	hours   = flag.Float64("sim.hours", 0, "virtual hours of the random runs, 0 for a short run; also EDS_SIM_HOURS")
)

// setting returns a flag's value, or that of the environment variable.
func setting(value float64, variable string) float64 {
	if value != 0 {
		return value
	}
	parsed, err := strconv.ParseFloat(os.Getenv(variable), 64)
	if err != nil {
		return 0
	}
	return parsed
}

// played is a scenario that has been played and judged.
type played struct {
	seed       Seed
	entries    []history.Entry
	violations []history.Violation
	report     history.Report
}

func play(t *testing.T, s Scenario) played {
	t.Helper()
	p := played{seed: s.Seed}
	synctest.Test(t, func(*testing.T) { p.entries = Run(s) })
	p.violations = history.Check(p.entries, history.Bounds{Runs: s.Lanes})
	p.report = history.ReportOf(p.entries)
	return p
}

// wantNoViolation shows what is needed to find the cause: the seed, the first
// few violations, and all that happened to the event of the first.
func (p played) wantNoViolation(t *testing.T) {
	t.Helper()
	if len(p.violations) == 0 {
		return
	}
	t.Errorf("seed %d: %d violations; replay with -run '^%s$' -sim.seed=%d", p.seed, len(p.violations), t.Name(), p.seed)
	for _, v := range p.violations[:min(len(p.violations), 5)] {
		t.Log(v)
	}
	first := p.violations[0]
	for i, e := range history.Around(p.entries, first) {
		if i == 60 {
			t.Log("…")
			break
		}
		t.Log(e)
	}
	t.Log(p.report)
}

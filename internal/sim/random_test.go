package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
)

// dayLength is how long each random run is, before its quiet time.
var dayLength = map[bool]time.Duration{false: 6 * time.Hour, true: 2 * time.Hour}[raceEnabled]

// seeds returns the seeds to play: the one that was asked for, or as many as
// the virtual hours need.
func seeds(short int) []Seed {
	if one := setting(float64(*oneSeed), "EDS_SIM_SEED"); one != 0 {
		return []Seed{Seed(one)}
	}
	n := short
	if raceEnabled {
		n = max(short/4, 2)
	}
	if h := setting(*hours, "EDS_SIM_HOURS"); h > 0 {
		n = int(h / dayLength.Hours())
	}
	var all []Seed
	for i := range n {
		all = append(all, Seed(1000+i))
	}
	return all
}

// soak plays many seeds and reports the sum. No event may be lost, and no
// effect repeated without a fault in its history that explains it.
func soak(t *testing.T, short int, scenario func(Seed, time.Duration) Scenario) history.Report {
	var total history.Report
	for _, seed := range seeds(short) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := play(t, scenario(seed, dayLength))
			p.wantNoViolation(t)
			total.Add(p.report)
		})
	}
	t.Logf("%v", total)
	return total
}

func TestNothingIsLostOnBadDays(t *testing.T) { soak(t, 8, BadDay) }

func TestNothingIsLostByAForgetfulStore(t *testing.T) { soak(t, 4, Amnesia) }

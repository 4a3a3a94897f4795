package sim

import (
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
)

// TestSeedsReplay measures what a printed seed is worth: how often the same
// seed gives the same history once more, line by line. Goroutines are
// scheduled as the runtime likes, so that all of them is no promise; but below
// three in four a seed would be no help.
func TestSeedsReplay(t *testing.T) {
	n := 16
	if raceEnabled {
		n = 4
	}
	same := 0
	for seed := range Seed(n) {
		first, second := play(t, BadDay(seed, time.Hour)), play(t, BadDay(seed, time.Hour))
		at := firstDifference(first.entries, second.entries)
		if at < 0 {
			same++
			continue
		}
		t.Logf("seed %d: the histories part after %d of %d entries", seed, at, len(first.entries))
	}
	t.Logf("%d of %d seeds gave the same history twice", same, n)
	if same*4 < n*3 {
		t.Errorf("only %d of %d seeds can be replayed", same, n)
	}
}

// firstDifference returns where two histories part; negative if they do not.
func firstDifference(a, b []history.Entry) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		if x.Op == history.Claim || x.Op == history.Commit || x.Op == history.Release {
			x.Token, y.Token = "", "" // random on purpose
		}
		if x != y {
			return i
		}
	}
	if len(a) != len(b) {
		return min(len(a), len(b))
	}
	return -1
}

package sim

import (
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
)

// TestSeedsReplay measures what a printed seed is worth: how often the same
// seed gives the same history once more, line by line.
func TestSeedsReplay(t *testing.T) {
	n := 20
	if raceEnabled {
		n = 4
	}
	same, naive := 0, 0
	for seed := range Seed(n) {
		if at := firstDifference(play(t, BadDay(seed, time.Hour)).entries, play(t, BadDay(seed, time.Hour)).entries); at < 0 {
			same++
		} else {
			t.Log(seed, at)
		}
		if at := firstDifference(play(t, badDay(seed, VendorPseudoCode)).entries, play(t, badDay(seed, VendorPseudoCode)).entries); at < 0 {
			naive++
		}
	}
	t.Logf("the same history, line by line: %d of %d seeds with the framework, %d of %d with the vendor's pseudo-code", same, n, naive, n)
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

package wsconn

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/eventdelivery/eds-go/internal/faults"
)

func TestBackoffStaysWithinItsBounds(t *testing.T) {
	faults.Covers(t, "A19")
	rapid.Check(t, func(t *rapid.T) {
		least := time.Duration(rapid.Int64Range(1, int64(time.Minute)).Draw(t, "min"))
		most := least + time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "more"))
		b := NewBackoff(least, most)
		bound := least
		for i := range 200 { // far beyond the 64 doublings that overflow
			if d := b.Next(); d < least/10 || d > bound {
				t.Fatalf("pause %d is %v, want %v to %v", i+1, d, least/10, bound)
			}
			bound = min(2*bound, most)
		}
		b.Reset()
		if d := b.Next(); d > least {
			t.Fatalf("the first pause after a reset is %v, at most %v wanted", d, least)
		}
	})
}

// TestClientsComeBackSpreadOut has 1,000 clients lose their connections at the
// same moment: no tenth of the time in which they come back may get much more
// than a tenth of them. With a true tenth in each, 160 are six standard
// deviations away.
func TestClientsComeBackSpreadOut(t *testing.T) {
	faults.Covers(t, "A17")
	const clients, bound = 1000, time.Second
	var slots [10]int
	for range clients {
		d := NewBackoff(bound, time.Minute).Next()
		slots[min(int(d*10/bound), 9)]++
	}
	for i, n := range slots {
		if n > 160 && !(i == 1 && n <= 300) { // the least pause gathers the first tenth there
			t.Errorf("%d of %d clients come back in slot %d: %v", n, clients, i, slots)
		}
	}
}

func TestStandbyIsQuickAtFirstAndPatientAfterwards(t *testing.T) {
	var s Standby
	for i := range 200 {
		d := s.Next()
		least, most := time.Second, 1200*time.Millisecond
		switch {
		case i >= 8:
			least, most = 15*time.Second, 30*time.Second
		case i >= 5:
			most = 10 * time.Second
		}
		if d < least || d > most {
			t.Errorf("pause %d is %v, want %v to %v", i+1, d, least, most)
		}
	}
	if !s.Waiting() {
		t.Error("not waiting after a refusal")
	}
	s.Reset()
	if d := s.Next(); d > 1200*time.Millisecond {
		t.Errorf("the first pause after a reset is %v", d)
	}
}

func TestJitterIsAFifth(t *testing.T) {
	before := Random
	defer func() { Random = before }()
	for _, tc := range []struct {
		random float64
		want   time.Duration
	}{{0, 80 * time.Second}, {0.5, 100 * time.Second}, {1, 120 * time.Second}} {
		Random = func() float64 { return tc.random }
		if got := jitter(100 * time.Second); got.Round(time.Millisecond) != tc.want {
			t.Errorf("jitter at %v is %v, want %v", tc.random, got, tc.want)
		}
	}
}

func TestStandbysDoNotAskTogether(t *testing.T) {
	for try := range 12 {
		seen := make(map[time.Duration]bool)
		for range 20 {
			var s Standby
			for range try {
				s.Next()
			}
			seen[s.Next()] = true
		}
		if len(seen) < 2 {
			t.Errorf("20 clients have the same pause %d", try+1)
		}
	}
}

package sim

import (
	"testing"
	"time"
)

func TestZZ(t *testing.T) {
	for seed := range Seed(12) {
		for _, mk := range []func() Scenario{func() Scenario { return badDay(seed, VendorPseudoCode) }, func() Scenario { return BadDay(seed, time.Hour) }} {
			a, b := play(t, mk()).entries, play(t, mk()).entries
			at := firstDifference(a, b)
			if at < 0 {
				t.Log(seed, "same")
				continue
			}
			t.Log(seed, at)
			for i := max(at-2, 0); i < at+3 && i < min(len(a), len(b)); i++ {
				t.Log("A", a[i])
				t.Log("B", b[i])
			}
		}
	}
}

package edsv2

import (
	"strconv"
	"testing"
	"time"
)

func TestLedgerHoldsItsBound(t *testing.T) {
	l := newLedger()
	now := time.Now()
	for i := range 5 * generation {
		if !l.enter(strconv.Itoa(i), now) {
			t.Fatalf("receipt %d counts as sent before", i)
		}
		if n := len(l.new) + len(l.old); n > 2*generation {
			t.Fatalf("%d receipts are remembered, want %d at most", n, 2*generation)
		}
		if l.n > maxUnconfirmed {
			t.Fatalf("%d acknowledgements count as unconfirmed, want %d at most", l.n, maxUnconfirmed)
		}
		if last := i - generation + 1; last >= 0 && l.enter(strconv.Itoa(last), now) {
			t.Fatalf("after receipt %d, receipt %d is sent again", i, last)
		}
	}
}

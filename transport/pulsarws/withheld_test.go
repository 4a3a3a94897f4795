package pulsarws

import (
	"strconv"
	"testing"

	"github.com/eventdelivery/eds-go/transport/cursor"
)

// As long as too much is settled above the position, no message is asked for;
// when the position has moved on, all are.
func TestNoMoreIsAskedForTooFarAhead(t *testing.T) {
	const first = "first"
	mark := cursor.NewMark("", nil)
	mark.Arrived(first)
	for i := range maxAhead {
		id := strconv.Itoa(i)
		mark.Arrived(id)
		mark.Settle(id)
	}
	var w withheld
	if w.keep(mark, &delivered{}) {
		t.Fatal("withheld at the limit")
	}
	mark.Arrived("one more")
	mark.Settle("one more")
	kept := []*delivered{{}, {}}
	for _, d := range kept {
		if !w.keep(mark, d) {
			t.Fatal("not withheld above the limit")
		}
	}
	mark.Settle(first)
	if w.keep(mark, &delivered{}) {
		t.Error("withheld though all is settled")
	}
	if got := w.release(); len(got) != 2 || got[0] != kept[0] || got[1] != kept[1] {
		t.Errorf("released %v", got)
	}
	if got := w.release(); len(got) != 0 {
		t.Errorf("released twice: %v", got)
	}
}

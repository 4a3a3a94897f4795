package sim

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/internal/faults"
)

// TestNoTwoEventsShareAKey: a key that two events shared would make the second
// one a duplicate of the first, and that is a lost event. The parts are drawn
// so that their borders are easily mistaken.
func TestNoTwoEventsShareAKey(t *testing.T) {
	faults.Covers(t, "D22")
	part := rapid.OneOf(
		rapid.StringOfN(rapid.RuneFrom([]rune("a1:/#")), 0, 4, -1),
		rapid.StringN(0, 300, -1),
	)
	tuple := rapid.Custom(func(t *rapid.T) [4]string {
		return [4]string{part.Draw(t, "group"), part.Draw(t, "source"), part.Draw(t, "queue"), part.Draw(t, "id")}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := tuple.Draw(t, "a"), tuple.Draw(t, "b")
		one, two := dedupe.Key(a[0], a[1], a[2], a[3]), dedupe.Key(b[0], b[1], b[2], b[3])
		if (one == two) != (a == b) {
			t.Fatalf("%q and %q have the keys %q and %q", a, b, one, two)
		}
		if len(one) > 200 {
			t.Fatalf("a key of %d bytes", len(one))
		}
	})
}

package dedupe

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// D22: no two different quadruples have the same key, also when the parts
// look like pieces of a key, or are too long to be kept in clear.
func TestD22KeysAreInjective(t *testing.T) {
	part := rapid.OneOf(
		rapid.SampledFrom([]string{"", "0:", "1:", "2:", "0:0:", "1:0:", "2:0:", "0"}),
		rapid.String(),
		rapid.Custom(func(t *rapid.T) string { return strings.Repeat("1:", rapid.IntRange(0, 200).Draw(t, "n")) }),
	)
	type quadruple [4]string
	draw := func(t *rapid.T, name string) quadruple {
		return quadruple{part.Draw(t, name+" group"), part.Draw(t, name+" source"), part.Draw(t, name+" queue"), part.Draw(t, name+" id")}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a"), draw(t, "b")
		if rapid.Bool().Draw(t, "moved") { // the same parts in other places
			copy(b[:], rapid.Permutation(a[:]).Draw(t, "permutation"))
		}
		ka, kb := Key(a[0], a[1], a[2], a[3]), Key(b[0], b[1], b[2], b[3])
		if (ka == kb) != (a == b) {
			t.Fatalf("%q and %q have the keys %q and %q", a, b, ka, kb)
		}
		if len(ka) > maxKey {
			t.Fatalf("the key of %q has %d bytes", a, len(ka))
		}
	})
}

// Keys are kept in stores: a change of their form forgets all events.
func TestKeyForm(t *testing.T) {
	for _, row := range []struct {
		group, source, queue, id string
		want                     string
	}{
		{"", "eds://eds.example/q", "q", "e-1", "1/0:19:eds://eds.example/q1:q3:e-1"},
		{"billing", "s", "", "1", "1/7:billing1:s0:1:1"},
		{"", "", "", strings.Repeat("x", 500), "1#XwzjOu_Gm_quOUVxgPYm3G_83RWDucOXUXxT7TjVJE8"},
	} {
		if got := Key(row.group, row.source, row.queue, row.id); got != row.want {
			t.Errorf("the key is %q, want %q", got, row.want)
		}
	}
}

func TestTokens(t *testing.T) {
	if first, second := NewToken(), NewToken(); first == second {
		t.Error("two new tokens are the same")
	}
	a := [8]byte{1}
	first, again := TokenFor(a, 1), TokenFor(a, 1)
	if first != again || first == TokenFor(a, 2) || first == TokenFor([8]byte{2}, 1) {
		t.Error("a token does not tell prefix and run")
	}
	if s := TokenFor(a, 0xabc).String(); s != "01000000000000000000000000000abc" {
		t.Errorf("a token is written %q", s)
	}
}

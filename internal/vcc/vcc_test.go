package vcc

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestTypesAreThoseOfTheEventReference(t *testing.T) {
	all := Types()
	if len(all) != 33 {
		t.Errorf("%d types, want 33", len(all))
	}
	sorted := slices.Sorted(slices.Values(all))
	if len(slices.Compact(sorted)) != len(all) {
		t.Error("a type is listed twice")
	}
	for _, name := range all {
		if len(name) > longest {
			t.Errorf("%s is longer than Canonical looks at", name)
		}
	}
	all[0] = "changed"
	if Types()[0] == "changed" {
		t.Error("Types hands out its own list")
	}
}

func TestCanonical(t *testing.T) {
	for _, want := range Types() {
		for _, name := range []string{want, strings.ToLower(want), strings.ToUpper(want)} {
			if got, ok := Canonical([]byte(name)); !ok || got != want {
				t.Errorf("%s: %q, %v", name, got, ok)
			}
		}
	}
	if got, ok := Canonical([]byte("InteractionDeAssigned")); !ok || got != "InteractionDeassigned" {
		t.Errorf("%q, %v", got, ok)
	}
	for _, name := range []string{"", "Interaction", "agent.login", "InteractionCreated ", strings.Repeat("x", 1000)} {
		if got, ok := Canonical([]byte(name)); ok {
			t.Errorf("%q became %q", name, got)
		}
	}
}

func TestMoments(t *testing.T) {
	second := time.Date(2025, 4, 16, 16, 0, 17, 0, time.UTC)
	for _, c := range []struct {
		read func(string) time.Time
		text string
		want time.Time
	}{
		{Seconds, "1744819217", second},
		{Seconds, " 1744819217.0 ", second},
		{Seconds, "253402300799", time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
		{Seconds, "253402300800", time.Time{}},
		{Seconds, "1744819274183", time.Time{}}, // milliseconds, in the wrong place
		{Seconds, "0", time.Time{}},
		{Seconds, "-1", time.Time{}},
		{Seconds, "", time.Time{}},
		{Seconds, "N/A", time.Time{}},
		{Seconds, "1744819217.5", time.Time{}},
		{Seconds, "1e9", time.Time{}},
		{Seconds, strconv.FormatInt(math.MaxInt64, 10), time.Time{}},
		{Seconds, "99999999999999999999999", time.Time{}},
		{Millis, "1744819217183", second.Add(183 * time.Millisecond)},
		{Millis, "253402300799999", time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)},
		{Millis, "253402300800000", time.Time{}},
		{Millis, "0", time.Time{}},
		{Nanos, "1744819217183000001", second.Add(183*time.Millisecond + 1)},
		{Nanos, "", time.Time{}},
	} {
		if got := c.read(c.text); !got.Equal(c.want) || got.IsZero() != c.want.IsZero() {
			t.Errorf("%q: %v, want %v", c.text, got, c.want)
		}
	}
}

package main

import (
	"io"
	"math"
	"strings"
	"testing"
)

func TestRatiosAreTakenWithinARound(t *testing.T) {
	c := cell{section: "throughput", size: 400, window: 256, variant: "full-on"}
	b := c
	b.variant = base
	// The machine slows down tenfold in the second round and loses a
	// measurement in the third.
	r := results{
		b: {{Rate: 100}, {Rate: 10}, nil, {Rate: 100}},
		c: {{Rate: 300}, {Rate: 40}, {Rate: 1}, {Rate: 200}},
	}
	if got := median(r.ratios(c, base, rateOf)); got != 3 {
		t.Errorf("median ratio %v, want 3: the middle of 3, 4 and 2", got)
	}
	if got := median(r.values(c, rateOf)); got != 120 {
		t.Errorf("median %v, want 120, between 40 and 200", got)
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("median of nothing is %v", got)
	}
}

func TestTargetsSayMetMissedOrNotMeasured(t *testing.T) {
	c := cell{section: "throughput", size: 400, window: 256, variant: "full-on"}
	b := c
	b.variant = base
	var out strings.Builder
	printTargets(&out, results{b: {{Rate: 10, CPU: 10}}, c: {{Rate: 31, CPU: 5, Allocs: 13}}})
	for _, want := range []string{"met", "missed", "met", "not measured"} {
		_, rest, found := strings.Cut(out.String(), want)
		if !found {
			t.Fatalf("no further %q in\n%s", want, out.String())
		}
		out.Reset()
		out.WriteString(rest)
	}
}

func TestEveryTargetIsMeasured(t *testing.T) {
	p, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	planned := make(map[cell]bool)
	for _, s := range p.sections {
		for _, spec := range s.cells {
			for _, v := range s.variants {
				if !known(v) {
					t.Errorf("section %s: no variant %q", s.name, v)
				}
				planned[cellOf(s, spec, v)] = true
			}
		}
	}
	for _, goal := range targets() {
		with := goal.cell
		with.variant = base
		if !planned[goal.cell] || !planned[with] {
			t.Errorf("nothing measures %q", goal.name)
		}
	}
}

func TestWrongFlagsAreNamed(t *testing.T) {
	for _, args := range []string{"-sizes 10", "-windows 0", "-rates x", "-sections quick", "-variants fast", "-rounds 0", "-appendfsync often", "extra"} {
		_, err := parse(strings.Fields(args), io.Discard)
		name, _, _ := strings.Cut(args, " ")
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", args, err)
		}
	}
}

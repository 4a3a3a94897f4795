package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
)

// target is what the pipeline with everything on is meant to reach. Those that
// compare with the hand loop do so within a round.
type target struct {
	name   string
	cell   cell
	figure func(results, cell) []float64
	atMost bool
	want   float64
}

func timesHand(of func(*Sample) float64) func(results, cell) []float64 {
	return func(r results, c cell) []float64 { return r.ratios(c, base, of) }
}

func alone(of func(*Sample) float64) func(results, cell) []float64 {
	return func(r results, c cell) []float64 { return r.values(c, of) }
}

func targets() []target {
	at := func(size, window int) cell {
		return cell{section: "throughput", size: size, window: window, variant: "full-on"}
	}
	atRate := func(rate int) cell { return cell{section: "rate", size: 400, perSec: rate, variant: "full-on"} }
	return []target{
		{"events/s × hand, 400 B, window 256", at(400, 256), timesHand(rateOf), false, 3.0},
		{"events/s × hand, 400 B, window 16", at(400, 16), timesHand(rateOf), false, 2.3},
		{"events/s × hand, 4 KB, window 256", at(4096, 256), timesHand(rateOf), false, 3.1},
		{"events/s × hand, 4 KB, window 16", at(4096, 16), timesHand(rateOf), false, 3.1},
		{"events/s × hand, 400 B, window 1", at(400, 1), timesHand(rateOf), false, 1.0},
		{"events/s × hand, 4 KB, window 1", at(4096, 1), timesHand(rateOf), false, 1.0},
		{"client CPU × hand, 400 B, window 256", at(400, 256), timesHand(cpuOf), true, 0.40},
		{"client CPU × hand, 400 B, window 16", at(400, 16), timesHand(cpuOf), true, 0.51},
		{"client CPU × hand, 4 KB, window 256", at(4096, 256), timesHand(cpuOf), true, 0.36},
		{"client CPU × hand, 4 KB, window 16", at(4096, 16), timesHand(cpuOf), true, 0.36},
		{"allocations per event, 400 B, window 256", at(400, 256), alone(allocsOf), true, 13},
		{"allocations per event, 400 B, window 16", at(400, 16), alone(allocsOf), true, 13},
		{"p99 × hand, 400 B, 2000/s", atRate(2000), timesHand(p99Of), true, 1.0},
		{"p99 × hand, 400 B, 10000/s", atRate(10000), timesHand(p99Of), true, 1.0},
		{"Redis: events/s × hand without Redis, 400 B, window 256",
			cell{section: "redis", size: 400, window: 256, variant: "full-redis"}, timesHand(rateOf), false, 1.3},
	}
}

// printTargets holds the figures of full-on and full-redis against the
// targets. The last columns show full-unmetered: spans, log line, LRU and
// typed handler are on as the targets ask, but nobody collects the metrics.
func printTargets(w io.Writer, r results) {
	if !slices.ContainsFunc(targets(), func(t target) bool { return len(r[t.cell]) > 0 }) {
		return
	}
	fmt.Fprintln(w, "\ntargets, with everything on (full-on, full-redis), and without the metrics SDK (full-unmetered)")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "figure\ttarget\tmeasured\t\twithout metrics SDK\t")
	for _, goal := range targets() {
		sign := "≥"
		if goal.atMost {
			sign = "≤"
		}
		unmetered := goal.cell
		unmetered.variant = "full-unmetered"
		fmt.Fprintf(t, "%s\t%s %g\t%s\t%s\n", goal.name, sign, goal.want,
			goal.verdict(r, goal.cell), goal.verdict(r, unmetered))
	}
	t.Flush()
	fmt.Fprintln(w, "none for the section pulsar: nobody has published any")
}

func (goal target) verdict(r results, c cell) string {
	got := median(goal.figure(r, c))
	verdict := "missed"
	switch {
	case math.IsNaN(got):
		verdict = "not measured"
	case goal.atMost && got <= goal.want, !goal.atMost && got >= goal.want:
		verdict = "met"
	}
	return show("%.2f", got) + "\t" + verdict
}

package main

import (
	"fmt"
	"math"
	"slices"
)

// The figures of a sample, for medians and ratios.
var (
	rateOf     = func(s *Sample) float64 { return s.Rate }
	cpuOf      = func(s *Sample) float64 { return s.CPU }
	serverOf   = func(s *Sample) float64 { return s.Server }
	allocsOf   = func(s *Sample) float64 { return s.Allocs }
	p50Of      = func(s *Sample) float64 { return s.P50 }
	p99Of      = func(s *Sample) float64 { return s.P99 }
	recordedOf = func(s *Sample) float64 { return s.Recorded }
	halfDoneOf = func(s *Sample) float64 { return s.HalfDone }
	doneOf     = func(s *Sample) float64 { return s.Done }
	ackedOf    = func(s *Sample) float64 { return s.Acked }
	workerOf   = func(s *Sample) float64 { return s.Worker }
	redisOf    = func(s *Sample) float64 { return s.Redis }
	leastOf    = func(s *Sample) float64 { return s.Least }
	perSyncOf  = func(s *Sample) float64 { return s.PerSync }
	queueOf    = func(s *Sample) float64 { return s.Queue }
	residentOf = func(s *Sample) float64 { return s.Resident }
	routinesOf = func(s *Sample) float64 { return s.Routines }
)

// A column of a table is made of the samples of a cell.
type column struct {
	title string
	text  func(results, cell) string
}

// figure is the median over the rounds.
func figure(title, format string, of func(*Sample) float64) column {
	return column{title, func(r results, c cell) string { return show(format, median(r.values(c, of))) }}
}

// ifAny leaves out samples that have no such figure.
func ifAny(of func(*Sample) float64) func(*Sample) float64 {
	return func(s *Sample) float64 {
		if v := of(s); v != 0 {
			return v
		}
		return math.NaN()
	}
}

// times is the median of the ratios to what base had in the same round.
func times(base string, of func(*Sample) float64) column {
	return column{"× " + base, func(r results, c cell) string { return show("%.2f", median(r.ratios(c, base, of))) }}
}

// spread is the range of these ratios.
func spread(base string, of func(*Sample) float64) column {
	return column{"(range)", func(r results, c cell) string {
		all := r.ratios(c, base, of)
		if len(all) < 2 {
			return "–"
		}
		return fmt.Sprintf("%.2f–%.2f", slices.Min(all), slices.Max(all))
	}}
}

// base is what most sections, and the targets, compare with.
const base = "hand"

var (
	perEvent = []column{
		figure("events/s", "%.0f", rateOf), times(base, rateOf), spread(base, rateOf),
		figure("CPU µs", "%.2f", cpuOf), times(base, cpuOf), figure("allocs", "%.1f", allocsOf),
		figure("p50 µs", "%.0f", p50Of), figure("p99 µs", "%.0f", p99Of), times(base, p99Of),
		figure("server CPU µs", "%.2f", serverOf),
	}
	overLimit = []column{
		figure("appends/s", "%.0f", rateOf),
		times("redis-benchmark-P16", rateOf), spread("redis-benchmark-P16", rateOf), times("hand-relay-alone", rateOf),
		figure("CPU µs", "%.1f", ifAny(cpuOf)), figure("Redis CPU µs", "%.1f", redisOf), figure("allocs", "%.1f", ifAny(allocsOf)),
		figure("p50 µs", "%.0f", p50Of), figure("p99 µs", "%.0f", p99Of),
	}
	onDiskColumns = []column{
		figure("events/s", "%.0f", rateOf), times("put-each", rateOf), spread("put-each", rateOf),
		figure("events/fsync", "%.1f", perSyncOf), figure("CPU µs", "%.1f", cpuOf), figure("allocs", "%.1f", allocsOf),
		figure("p50 µs", "%.0f", p50Of), figure("p99 µs", "%.0f", p99Of), times("put-each", p99Of),
	}
	perQueue = []column{
		figure("events/s", "%.0f", rateOf), times("queues-1", rateOf), spread("queues-1", rateOf),
		figure("CPU µs", "%.2f", cpuOf), times("queues-1", cpuOf), figure("allocs", "%.1f", allocsOf),
		figure("p50 µs", "%.0f", p50Of), figure("p99 µs", "%.0f", p99Of),
		figure("KiB/queue", "%.0f", queueOf), figure("RSS KiB/queue", "%.0f", residentOf), figure("goroutines/queue", "%.1f", routinesOf),
	}
)

// overWorkers are the columns of what goes over the stream to workers.
func overWorkers(base string) []column {
	return []column{
		figure("events/s", "%.0f", rateOf), times(base, rateOf), spread(base, rateOf),
		figure("recorded/s", "%.0f", recordedOf),
		figure("receiver CPU µs", "%.1f", cpuOf), figure("workers", "%.1f", workerOf), figure("Redis", "%.1f", redisOf),
		figure("p99 recorded µs", "%.0f", p99Of), figure("p50 handled", "%.0f", halfDoneOf),
		figure("p99 handled", "%.0f", doneOf), figure("p99 acked", "%.0f", ackedOf),
		figure("least", "%.2f", leastOf),
	}
}

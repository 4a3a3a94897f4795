package main

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A section is one part of the table: variants that are measured in turn, in
// each of its cells.
type section struct {
	name     string
	title    string
	variants []string
	cells    []Spec
	columns  []column
	redis    bool // needs one
}

// plan is what a run of the program measures.
type plan struct {
	rounds   int
	duration time.Duration
	events   int
	sections []section
	cpu      string // folder of CPU profiles
	allocs   string // folder of allocation profiles

	appendfsync string // of Redis
}

// Warm-up ends after so much time or so many events, whichever is first.
const (
	warmup       = 300 * time.Millisecond
	warmupEvents = 3000
)

func parse(args []string, out io.Writer) (plan, error) {
	var (
		p         plan
		flags     = flag.NewFlagSet("bench", flag.ContinueOnError)
		names     = flags.String("variants", "", "only these, separated by commas: "+strings.Join(inSections(), ", "))
		only      = flags.String("sections", "", "only these: "+strings.Join(sectionNames, ", "))
		sizes     = flags.String("sizes", "400,4096", "bytes of an event; with Pulsar, of its payload")
		windows   = flags.String("windows", "1,16,256", "events in flight")
		rates     = flags.String("rates", "2000,10000", "events per second of the section rate")
		noReply   = flags.Bool("no-reply", false, "the server leaves out ACK_EVENT_REPLY")
		writeEach = flags.Bool("write-each", false, "the server makes a write call for each event")
		pin       = flags.Bool("pin", true, "window 1: pin the server to processor 0 and the client to 1")
		dir       = flags.String("dir", os.TempDir(), "where the section spool makes its files; let it be on the disk to be measured")
		quick     = flags.Bool("quick", false, "one short round, to see that everything runs")
	)
	flags.SetOutput(out)
	flags.IntVar(&p.rounds, "rounds", 5, "how often each variant is measured; the table shows medians")
	flags.DurationVar(&p.duration, "duration", time.Second, "how long the server sends in each measurement; some sections take half of it")
	flags.IntVar(&p.events, "events", 0, "send so many events instead")
	flags.StringVar(&p.appendfsync, "appendfsync", "", "everysec or always: Redis with its append-only file (default without)")
	flags.StringVar(&p.cpu, "cpuprofile", "", "folder for a CPU profile of each client (last round)")
	flags.StringVar(&p.allocs, "allocprofile", "", "folder for an allocation profile of each client (last round; slows it down)")
	if err := flags.Parse(args); err != nil {
		return plan{}, err
	}
	if flags.NArg() > 0 {
		return plan{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if p.rounds < 1 {
		return plan{}, fmt.Errorf("-rounds %d: at least 1", p.rounds)
	}
	if p.appendfsync != "" && p.appendfsync != "everysec" && p.appendfsync != "always" {
		return plan{}, fmt.Errorf("-appendfsync %q: everysec or always", p.appendfsync)
	}
	if *quick {
		p.rounds, p.duration = 1, 200*time.Millisecond
	}
	size, err := numbers("-sizes", *sizes, 400, 65535)
	if err != nil {
		return plan{}, err
	}
	window, err := numbers("-windows", *windows, 1, 1024)
	if err != nil {
		return plan{}, err
	}
	rate, err := numbers("-rates", *rates, 1, 1_000_000)
	if err != nil {
		return plan{}, err
	}
	if _, err := exec.LookPath("taskset"); err != nil || runtime.NumCPU() < 2 {
		*pin = false
	}

	p.sections = append(sections(size, window, rate), machines(size[0], *dir)...)
	if *only != "" {
		chosen := strings.Split(*only, ",")
		for _, name := range chosen {
			if !slices.ContainsFunc(p.sections, func(s section) bool { return s.name == name }) {
				return plan{}, fmt.Errorf("-sections %q: no such section", name)
			}
		}
		p.sections = slices.DeleteFunc(p.sections, func(s section) bool { return !slices.Contains(chosen, s.name) })
	}
	if *names != "" {
		chosen := strings.Split(*names, ",")
		for _, name := range chosen {
			if !known(name) {
				return plan{}, fmt.Errorf("-variants %q: no such variant", name)
			}
		}
		for i := range p.sections {
			s := &p.sections[i]
			s.variants = slices.DeleteFunc(s.variants, func(v string) bool { return !slices.Contains(chosen, v) })
		}
		p.sections = slices.DeleteFunc(p.sections, func(s section) bool { return len(s.variants) == 0 })
	}
	for i := range p.sections {
		for j := range p.sections[i].cells {
			cell := &p.sections[i].cells[j]
			cell.NoReply, cell.WriteEach = *noReply, *writeEach
			cell.Pin = *pin && cell.Window == 1 && cell.Dir == ""
			cell.Measure = p.length(cell.Measure)
			if cell.Warmup == (Length{}) {
				cell.Warmup = Length{Events: warmupEvents, Duration: warmup}
			}
			if cell.Rate > 0 {
				cell.Warmup = Length{Duration: warmup}
			}
		}
	}
	return p, nil
}

// length is what the flags make of the length of a cell, which is that for a
// -duration of one second.
func (p *plan) length(l Length) Length {
	switch {
	case p.events > 0:
		return Length{Events: p.events}
	case l.Events > 0:
		return Length{Events: max(int(float64(l.Events)*p.duration.Seconds()), 1)}
	case l.Duration > 0:
		return Length{Duration: time.Duration(float64(l.Duration) * p.duration.Seconds())}
	}
	return Length{Duration: p.duration}
}

var sectionNames = []string{"throughput", "rate", "redis", "slow", "pulsar", "relay", "limit", "spool", "queues"}

func sections(sizes, windows, rates []int) []section {
	throughput := section{name: "throughput", title: "as fast as it goes", columns: perEvent,
		variants: []string{"raw", "floor", "hand", "hand-full", "watermill", "full", "full-unmetered", "full-on"}}
	redis := section{name: "redis", title: "with Redis for duplicates", columns: perEvent, redis: true,
		variants: []string{"hand", "hand-redis", "full-redis"}}
	rate := section{name: "rate", title: "at a fixed rate", columns: perEvent,
		variants: []string{"floor", "hand", "watermill", "full", "full-unmetered", "full-on"}}
	// Pulsar's service sends no replies and the payload in base64.
	pulsar := section{name: "pulsar", title: "a consumer of Pulsar, Shared, push mode, as fast as it goes", columns: perEvent,
		variants: []string{"raw", "floor", "hand", "hand-full", "full", "full-unmetered", "full-on"}}
	slow := section{name: "slow", title: "one connection, a handler that takes its time", columns: perEvent,
		variants: []string{"hand", "watermill", "full-64"}}

	for _, size := range sizes {
		for _, window := range windows {
			throughput.cells = append(throughput.cells, Spec{Size: size, Window: window})
		}
	}
	ends := slices.Compact([]int{windows[0], windows[len(windows)-1]})
	for _, size := range sizes {
		for _, window := range ends {
			pulsar.cells = append(pulsar.cells, Spec{Protocol: "pulsar", Size: size, Window: window})
		}
	}
	for _, window := range windows {
		redis.cells = append(redis.cells, Spec{Size: sizes[0], Window: window})
		if window > 1 {
			slow.cells = append(slow.cells, Spec{Size: sizes[0], Window: window, Work: time.Millisecond})
		}
	}
	for _, n := range rates {
		rate.cells = append(rate.cells, Spec{Size: sizes[0], Rate: n})
	}
	return []section{throughput, rate, redis, slow, pulsar}
}

// inSections are the variants that some section has.
func inSections() []string {
	names := make(map[string]bool)
	for _, s := range append(sections([]int{400}, []int{1}, []int{1}), machines(400, "")...) {
		for _, v := range s.variants {
			names[v] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func numbers(name, list string, low, high int) ([]int, error) {
	var ns []int
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < low || n > high {
			return nil, fmt.Errorf("%s %q: numbers from %d to %d, separated by commas", name, text, low, high)
		}
		ns = append(ns, n)
	}
	return ns, nil
}

package main

import (
	"flag"
	"fmt"
	"io"
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
}

// plan is what a run of the program measures.
type plan struct {
	rounds   int
	duration time.Duration
	events   int
	sections []section
	cpu      string // folder of CPU profiles
	allocs   string // folder of allocation profiles
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
		names     = flags.String("variants", "", "only these, separated by commas: "+strings.Join(variants(), ", "))
		only      = flags.String("sections", "", "only these: throughput, rate, redis, slow, pulsar")
		sizes     = flags.String("sizes", "400,4096", "bytes of an event; with Pulsar, of its payload")
		windows   = flags.String("windows", "1,16,256", "events in flight")
		rates     = flags.String("rates", "2000,10000", "events per second of the section rate")
		noReply   = flags.Bool("no-reply", false, "the server leaves out ACK_EVENT_REPLY")
		writeEach = flags.Bool("write-each", false, "the server makes a write call for each event")
		pin       = flags.Bool("pin", true, "window 1: pin the server to processor 0 and the client to 1")
		quick     = flags.Bool("quick", false, "one short round, to see that everything runs")
	)
	flags.SetOutput(out)
	flags.IntVar(&p.rounds, "rounds", 5, "how often each variant is measured; the table shows medians")
	flags.DurationVar(&p.duration, "duration", time.Second, "how long the server sends in each measurement")
	flags.IntVar(&p.events, "events", 0, "send so many events instead")
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

	p.sections = sections(size, window, rate)
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
			if loops[name] == nil {
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
			cell.Pin = *pin && cell.Window == 1
			cell.Measure = Length{Events: p.events, Duration: p.duration}
			if p.events > 0 {
				cell.Measure.Duration = 0
			}
			cell.Warmup = Length{Events: warmupEvents, Duration: warmup}
			if cell.Rate > 0 {
				cell.Warmup = Length{Duration: warmup}
			}
		}
	}
	return p, nil
}

func sections(sizes, windows, rates []int) []section {
	throughput := section{name: "throughput", title: "as fast as it goes",
		variants: []string{"raw", "floor", "hand", "hand-full", "watermill", "full", "full-unmetered", "full-on"}}
	redis := section{name: "redis", title: "with Redis for duplicates",
		variants: []string{"hand", "hand-redis", "full-redis"}}
	rate := section{name: "rate", title: "at a fixed rate",
		variants: []string{"floor", "hand", "watermill", "full", "full-unmetered", "full-on"}}
	// Pulsar's service sends no replies and the payload in base64.
	pulsar := section{name: "pulsar", title: "a consumer of Pulsar, Shared, push mode, as fast as it goes",
		variants: []string{"raw", "floor", "hand", "hand-full", "full", "full-unmetered", "full-on"}}
	slow := section{name: "slow", title: "one connection, a handler that takes 1 ms",
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

package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
)

// median is NaN when there is nothing.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

func (r results) values(c cell, of func(*Sample) float64) []float64 {
	var values []float64
	for _, s := range r[c] {
		if s != nil {
			values = append(values, of(s))
		}
	}
	return values
}

// ratios divides each sample by the base variant's of the same round.
func (r results) ratios(c cell, base string, of func(*Sample) float64) []float64 {
	b := c
	b.variant = base
	var values []float64
	for i, s := range r[c] {
		if i < len(r[b]) && s != nil && r[b][i] != nil {
			values = append(values, of(s)/of(r[b][i]))
		}
	}
	return values
}

func printSection(w io.Writer, s section, r results) {
	for _, spec := range s.cells {
		fmt.Fprintf(w, "\n%s: %s\n", s.title, spec.describe())
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprint(t, "variant\t")
		for _, col := range s.columns {
			fmt.Fprint(t, col.title, "\t")
		}
		fmt.Fprintln(t)
		for _, variant := range s.variants {
			fmt.Fprint(t, variant, "\t")
			for _, col := range s.columns {
				fmt.Fprint(t, col.text(r, cellOf(s, spec, variant)), "\t")
			}
			fmt.Fprintln(t)
		}
		t.Flush()
	}
}

func show(format string, v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return fmt.Sprintf(format, v)
}

// printMachine says what the figures were measured on and with.
func printMachine(w io.Writer, p plan) {
	length := p.duration.String()
	if p.events > 0 {
		length = fmt.Sprintf("%d events", p.events)
	}
	fmt.Fprintf(w, "%d × %s, %s %s, %s; medians of %d rounds of %s\n", runtime.NumCPU(), processor(),
		runtime.GOOS, kernel(), runtime.Version(), p.rounds, length)
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return
	}
	var versions []string
	for _, dep := range info.Deps {
		switch dep.Path {
		case "github.com/coder/websocket", "github.com/ThreeDotsLabs/watermill", "github.com/hashicorp/golang-lru/v2",
			"github.com/redis/go-redis/v9", "go.etcd.io/bbolt", "go.opentelemetry.io/otel", "github.com/go-json-experiment/json":
			versions = append(versions, dep.Path[strings.IndexByte(dep.Path, '/')+1:]+" "+dep.Version)
		}
	}
	fmt.Fprintln(w, strings.Join(versions, ", "))
}

func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(model)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	text, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(text))
}

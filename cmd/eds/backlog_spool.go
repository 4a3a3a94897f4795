package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"github.com/eventdelivery/eds-go/transport/spool"
)

func (c *backlogCommand) spool(ctx context.Context, w io.Writer) error {
	file, err := spool.Look(kong.ExpandPath(c.Where))
	if err != nil {
		return err
	}
	defer file.Close()
	b, err := file.Backlog(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(w, spoolJSON(b))
	}
	return printSpool(w, b)
}

// spoolReport is a spool as JSON.
type spoolReport struct {
	Events    int            `json:"events"`
	Bytes     int64          `json:"bytes"`
	Paused    int            `json:"paused"`
	Oldest    *time.Time     `json:"oldest,omitempty"`
	Types     map[string]int `json:"types"`
	Attempts  map[int]int    `json:"attempts"`
	FileBytes int64          `json:"file_bytes"`
}

func spoolJSON(b spool.Backlog) spoolReport {
	return spoolReport{b.Events, b.Bytes, b.Paused, moment(b.Oldest), notNil(b.Types), notNil(b.Attempts), b.FileBytes}
}

func notNil[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return m
}

func printSpool(out io.Writer, b spool.Backlog) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "EVENTS\tBYTES\tPAUSED\tOLDEST\tFILE BYTES\n%d\t%d\t%d\t%s\t%d\n", b.Events, b.Bytes, b.Paused, age(b.Oldest), b.FileBytes)
	if b.Events > 0 {
		fmt.Fprint(w, "\nTYPE\tEVENTS\n")
		for _, name := range slices.Sorted(maps.Keys(b.Types)) {
			fmt.Fprintf(w, "%s\t%d\n", cell(name), b.Types[name])
		}
		fmt.Fprint(w, "\nATTEMPTS\tEVENTS\n")
		for _, n := range slices.Sorted(maps.Keys(b.Attempts)) {
			fmt.Fprintf(w, "%d\t%d\n", n, b.Attempts[n])
		}
	}
	return written(0, w.Flush())
}

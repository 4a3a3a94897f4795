package main

import (
	"context"
	"errors"
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
	file, err := lookInto(kong.ExpandPath(c.Where))
	if err != nil {
		return err
	}
	defer file.Close()
	b, err := file.Backlog(ctx)
	if err != nil {
		return err
	}
	return c.print(w, spoolJSON(b))
}

// lookInto opens a spool for reading, or says who else can tell what is in it.
func lookInto(path string) (*spool.Reader, error) {
	file, err := spool.Look(path)
	if errors.Is(err, spool.ErrInUse) {
		err = fmt.Errorf("%w; ask that process what waits, by its --health-addr: eds backlog http://HOST:PORT", err)
	}
	return file, err
}

func (c *backlogCommand) print(w io.Writer, r spoolReport) error {
	if c.JSON {
		return printJSON(w, r)
	}
	return printSpool(w, r)
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

func printSpool(out io.Writer, r spoolReport) error {
	oldest := "-"
	if r.Oldest != nil {
		oldest = age(*r.Oldest)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "EVENTS\tBYTES\tPAUSED\tOLDEST\tFILE BYTES\n%d\t%d\t%d\t%s\t%d\n", r.Events, r.Bytes, r.Paused, oldest, r.FileBytes)
	if r.Events > 0 {
		fmt.Fprint(w, "\nTYPE\tEVENTS\n")
		for _, name := range slices.Sorted(maps.Keys(r.Types)) {
			fmt.Fprintf(w, "%s\t%d\n", cell(name), r.Types[name])
		}
		fmt.Fprint(w, "\nATTEMPTS\tEVENTS\n")
		for _, n := range slices.Sorted(maps.Keys(r.Attempts)) {
			fmt.Fprintf(w, "%d\t%d\n", n, r.Attempts[n])
		}
	}
	return written(0, w.Flush())
}

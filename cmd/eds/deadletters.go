package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/time/rate"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers/jsonl"
	"github.com/eventdelivery/eds-go/internal/cloudevent"
	"github.com/eventdelivery/eds-go/middleware"
)

type deadlettersCommand struct {
	List   deadlettersListCommand   `cmd:"" help:"List the dead letters in a file."`
	Show   deadlettersShowCommand   `cmd:"" help:"Print dead letters whole, one JSON object per line."`
	Replay deadlettersReplayCommand `cmd:"" help:"Send dead letters to an HTTP endpoint."`
}

// deadLetterFile is the argument of all three.
type deadLetterFile struct {
	File string `arg:"" type:"path" help:"File that --dead-letter named."`
}

// letters yields the dead letters with the given ids, all without any. Lines
// that cannot be read are reported on stderr and counted in bad.
func (f deadLetterFile) letters(io stdio, ids []string, bad *int) iter.Seq2[eds.Event, error] {
	return func(yield func(eds.Event, error) bool) {
		for e, err := range jsonl.ReadAll(f.File) {
			var line *jsonl.LineError
			switch {
			case errors.As(err, &line):
				*bad++
				fmt.Fprintln(io.err, "eds:", err)
			case err != nil:
				yield(e, err)
				return
			case len(ids) > 0 && !slices.Contains(ids, e.ID):
			case !yield(e, nil):
				return
			}
		}
	}
}

func unreadable(bad int) error {
	if bad == 0 {
		return nil
	}
	return fmt.Errorf("%d lines could not be read", bad)
}

type deadlettersListCommand struct{ deadLetterFile }

func (deadlettersListCommand) Help() string {
	return "Example:\n\n  eds deadletters list dead.jsonl"
}

// Run prints a table.
func (c deadlettersListCommand) Run(io stdio) error {
	w := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tTYPE\tFAILED AT\tATTEMPTS\tKIND\tERROR")
	bad := 0
	for e, err := range c.letters(io, nil, &bad) {
		if err != nil {
			return err
		}
		a := e.Attributes
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", cell(e.ID), cell(e.Type),
			cell(a[middleware.KeyTime]), cell(a[middleware.KeyAttempts]), cell(a[middleware.KeyKind]), cell(a[middleware.KeyError]))
	}
	return errors.Join(w.Flush(), unreadable(bad))
}

// cell makes a value from the wire safe for a terminal and a table.
func cell(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

type deadlettersShowCommand struct {
	deadLetterFile
	ID []string `arg:"" optional:"" help:"Events to print; all without any."`
}

func (deadlettersShowCommand) Help() string {
	return "Example:\n\n  eds deadletters show dead.jsonl a1b2c3d4-0000-0000-0000-000000000001 | jq .data"
}

// Run prints the events that were asked for.
func (c deadlettersShowCommand) Run(io stdio) error {
	found, bad := 0, 0
	for e, err := range c.letters(io, c.ID, &bad) {
		if err != nil {
			return err
		}
		found++
		if _, err := io.out.Write(append(cloudevent.Append(nil, &e), '\n')); err != nil {
			return &outputError{err}
		}
	}
	if found == 0 && len(c.ID) > 0 {
		return fmt.Errorf("%s: no dead letter with the id %s", c.File, strings.Join(c.ID, " or "))
	}
	return unreadable(bad)
}

type deadlettersReplayCommand struct {
	deadLetterFile
	ID []string `arg:"" optional:"" help:"Events to send; all without any."`
	endpointFlags
	Rate float64 `default:"10" help:"Events per second at most; 0 sets no limit."`
}

func (deadlettersReplayCommand) Help() string {
	return `Each dead letter is posted as it was before it failed. The file stays as it is: the endpoint recognises by its id what it had before. Letters that hold something that never was an event are left out. The exit code is 1 when one of them was not taken.

Example:

  eds deadletters replay dead.jsonl --to https://crm.example/events`
}

// Validate is called once the flags are parsed.
func (c *deadlettersReplayCommand) Validate() error {
	if c.Rate < 0 {
		return fmt.Errorf("--rate %v: must not be negative", c.Rate)
	}
	return c.endpointFlags.Validate()
}

// Run sends the letters one after another and tells the fate of each.
func (c deadlettersReplayCommand) Run(ctx context.Context, io stdio) error {
	sink, err := c.sink()
	if err != nil {
		return err
	}
	defer sink.Close()
	send := middleware.Retry()(sink.Handle)
	limit := rate.NewLimiter(rate.Inf, 1)
	if c.Rate > 0 {
		limit.SetLimit(rate.Limit(c.Rate))
	}
	sent, failed, bad := 0, 0, 0
	for e, err := range c.letters(io, c.ID, &bad) {
		if err != nil {
			return err
		}
		if e.Attributes[middleware.KeyKind] == middleware.KindMalformed {
			fmt.Fprintf(io.out, "%s\tleft out: it never was an event\n", cell(e.ID))
			continue
		}
		if err := limit.Wait(ctx); err != nil {
			return fmt.Errorf("interrupted after %d events: %w", sent, context.Cause(ctx))
		}
		alive(&e)
		if err := send(ctx, &e); err != nil {
			failed++
			fmt.Fprintf(io.out, "%s\tfailed: %s\n", cell(e.ID), cell(err.Error()))
			continue
		}
		sent++
		fmt.Fprintf(io.out, "%s\tsent\n", cell(e.ID))
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d events were not taken", failed, failed+sent)
	}
	if sent == 0 && len(c.ID) > 0 {
		return fmt.Errorf("%s: no dead letter with the id %s", c.File, strings.Join(c.ID, " or "))
	}
	return unreadable(bad)
}

// alive takes off an event what made it a dead letter.
func alive(e *eds.Event) {
	for _, key := range []string{middleware.KeyError, middleware.KeyTime, middleware.KeyAttempts, middleware.KeyKind} {
		delete(e.Attributes, key)
	}
	e.Attempt = 0
}

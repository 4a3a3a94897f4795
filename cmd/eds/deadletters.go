package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"
	"golang.org/x/time/rate"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/cloudevent"
	"github.com/eventdelivery/eds-go/middleware"
)

type deadlettersCommand struct {
	List   deadlettersListCommand   `cmd:"" help:"List dead letters."`
	Show   deadlettersShowCommand   `cmd:"" help:"Print dead letters whole, one JSON object per line."`
	Replay deadlettersReplayCommand `cmd:"" help:"Send dead letters to an HTTP endpoint."`
}

type deadlettersListCommand struct{ deadLetterSource }

func (deadlettersListCommand) Help() string {
	return "Example:\n\n  eds deadletters list dead.jsonl"
}

// Run prints a table.
func (c deadlettersListCommand) Run(ctx context.Context, io stdio) error {
	w := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tTYPE\tFAILED AT\tATTEMPTS\tKIND\tERROR")
	bad := 0
	for e, err := range c.letters(ctx, io.err, nil, &bad) {
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
	deadLetterSource
	ID []string `arg:"" optional:"" help:"Events to print; all without any."`
}

func (deadlettersShowCommand) Help() string {
	return "Example:\n\n  eds deadletters show dead.jsonl a1b2c3d4-0000-0000-0000-000000000001 | jq .data"
}

// Run prints the events that were asked for.
func (c deadlettersShowCommand) Run(ctx context.Context, io stdio) error {
	found, bad := 0, 0
	for e, err := range c.letters(ctx, io.err, c.ID, &bad) {
		if err != nil {
			return err
		}
		found++
		if _, err := io.out.Write(append(cloudevent.Append(nil, &e.Event), '\n')); err != nil {
			return &outputError{err}
		}
	}
	if found == 0 && len(c.ID) > 0 {
		return fmt.Errorf("%s: no dead letter with the id %s", c.deadLetterSource, strings.Join(c.ID, " or "))
	}
	return unreadable(bad)
}

type deadlettersReplayCommand struct {
	deadLetterSource
	ID []string `arg:"" optional:"" help:"Events to send; all without any."`
	endpointFlags
	Rate   float64 `default:"10" help:"Events per second at most; 0 sets no limit."`
	Remove bool    `help:"Remove from a stream or a spool what was sent. The lines of a file stay."`
}

func (deadlettersReplayCommand) Help() string {
	return `Each dead letter is posted as it was before it failed. What was sent stays where it is, unless --remove takes it out: the endpoint recognises by its id what it had before. Letters that hold something that never was an event are left out. The exit code is 1 when one of them was not taken.

Example:

  eds deadletters replay dead.jsonl --to https://crm.example/events
  eds deadletters replay redis://redis.example/orders-dead --to https://crm.example/events --remove`
}

// Validate is called once the flags are parsed.
func (c *deadlettersReplayCommand) Validate() error {
	if c.Rate < 0 {
		return fmt.Errorf("--rate %v: must not be negative", c.Rate)
	}
	if c.Remove && !isRedis(c.File) && !isSpool(kong.ExpandPath(c.File)) {
		return fmt.Errorf("--remove: is for a stream or a spool; the lines of %q stay", c.File)
	}
	return errors.Join(c.deadLetterSource.Validate(), c.endpointFlags.Validate())
}

// open returns the letters, to be removed if that is asked for.
func (c *deadlettersReplayCommand) open(ctx context.Context) (all iter.Seq2[letter, error], closeAll func() error, err error) {
	if c.Remove && !isRedis(c.File) {
		return takeLetters(ctx, kong.ExpandPath(c.File))
	}
	return c.deadLetterSource.all(ctx), func() error { return nil }, nil
}

// Run sends the letters one after another and tells the fate of each.
func (c deadlettersReplayCommand) Run(ctx context.Context, io stdio) error {
	sink, err := c.sink()
	if err != nil {
		return err
	}
	defer sink.Close()
	all, closeAll, err := c.open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(c.replay(ctx, io, all, middleware.Retry()(sink.Handle)), closeAll())
}

func (c *deadlettersReplayCommand) replay(ctx context.Context, io stdio, all iter.Seq2[letter, error], send eds.Handler) error {
	limit := rate.NewLimiter(rate.Inf, 1)
	if c.Rate > 0 {
		limit.SetLimit(rate.Limit(c.Rate))
	}
	sent, failed, bad := 0, 0, 0
	for l, err := range chosen(all, io.err, c.ID, &bad) {
		if err != nil {
			return err
		}
		if l.Attributes[middleware.KeyKind] == middleware.KindMalformed {
			fmt.Fprintf(io.out, "%s\tleft out: it never was an event\n", cell(l.ID))
			continue
		}
		if err := limit.Wait(ctx); err != nil {
			return fmt.Errorf("interrupted after %d events: %w", sent, context.Cause(ctx))
		}
		alive(&l.Event)
		if err := send(ctx, &l.Event); err != nil {
			failed++
			fmt.Fprintf(io.out, "%s\tfailed: %s\n", cell(l.ID), cell(err.Error()))
			continue
		}
		sent++
		fmt.Fprintf(io.out, "%s\tsent\n", cell(l.ID))
		if !c.Remove {
			continue
		}
		if err := l.remove(ctx); err != nil {
			return fmt.Errorf("event %q was sent, and could not be removed: %w", l.ID, err)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d events were not taken", failed, failed+sent)
	}
	if sent == 0 && len(c.ID) > 0 {
		return fmt.Errorf("%s: no dead letter with the id %s", c.deadLetterSource, strings.Join(c.ID, " or "))
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

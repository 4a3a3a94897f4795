package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/alecthomas/kong"

	"github.com/eventdelivery/eds-go/eds"
)

type listenCommand struct {
	receiveFlags

	MaxEvents uint64 `placeholder:"N" env:"EDS_MAX_EVENTS" help:"End after N events were printed and acknowledged; 0 never ends (${env})."`
}

func (c *listenCommand) Help() string {
	return `Each event is printed as one CloudEvents 1.0 JSON object per line and acknowledged after its line was written; duplicates are acknowledged and not printed. Logs go to stderr.

` + whereFrom + `

Example:

  EDS_API_KEY=... eds listen --url wss://eds.example --queue orders --dead-letter dead.jsonl | jq .data
  EDS_API_KEY=... eds listen --region US2 --tenant acme --topic all --cursor place.cursor
  EDS_API_KEY=... eds listen --url wss://pulsar.example --topic acme/shop/orders --subscription billing`
}

// Validate is called once the flags are parsed.
func (c *listenCommand) Validate(parsed *kong.Context) error {
	return c.receiveFlags.check(parsed, 1, "")
}

// Run prints events until the queue, the reader or the user has enough.
func (c *listenCommand) Run(ctx context.Context, io stdio, logs *logFlags) error {
	p, err := begin(ctx, io, logs, &c.pipelineFlags, "")
	if err != nil {
		return err
	}
	defer p.end()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)

	printer := &printer{out: p.screen.beside(io.out), limit: c.MaxEvents, end: end, log: p.log}
	var outer []eds.Middleware
	if c.MaxEvents > 0 {
		outer = append(outer, printer.count)
	}
	err = p.receive(&c.sourceFlags, pipeline{
		handler: printer.print, outer: outer,
		// A reader that takes its time is no failure of the event: keep the
		// line until it is taken, and let redeliveries join.
		options: []eds.Option{eds.HandlerTimeout(0)},
	})
	if err != nil {
		return err
	}
	go watchReader(ctx, io.out, printer.readerLeft)

	err = c.refused(p.run(ctx))
	if cause := context.Cause(ctx); errors.As(cause, new(*outputError)) {
		return errors.Join(cause, err)
	}
	return err
}

// outputError says that events can no longer be printed.
type outputError struct{ err error }

func (e *outputError) Error() string { return fmt.Sprintf("stdout: %v", e.err) }
func (e *outputError) Unwrap() error { return e.err }

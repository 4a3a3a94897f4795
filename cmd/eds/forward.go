package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/alecthomas/kong"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/middleware"
)

type forwardCommand struct {
	receiveFlags
	endpointFlags

	Spool    spoolSetting `placeholder:"FILE" env:"EDS_SPOOL" help:"Record events in this file, acknowledge them, and send them from there: an endpoint that is slow or down holds up no queue (${env})."`
	Attempts *int         `placeholder:"3" env:"EDS_ATTEMPTS" help:"Requests for one event before it counts as failed; with --spool 1000 unless set (${env})."`
}

func (c *forwardCommand) Help() string {
	return `Each event is posted as a CloudEvent and acknowledged when the endpoint answers 2xx. 408, 425, 429 and 5xx are tried again, after what Retry-After says; other answers are final. What failed goes to --dead-letter FILE; without one it stays with the service and comes again, which holds up what is behind it.

With --spool FILE an event is acknowledged as soon as it is on disk, and sent from there. What fails then pauses, for what Retry-After says or for up to 5m, and comes again without holding up the others: 1000 times, which is 41 hours, and without --dead-letter for ever. The file belongs to one process; it goes on where the last one ended. While it runs, eds backlog http://HOST:PORT shows what waits, with the address of --health-addr.

` + whereFrom + `

Example:

  EDS_API_KEY=... eds forward --url wss://eds.example --queue orders --to https://crm.example/events --dead-letter dead.jsonl
  EDS_API_KEY=... eds forward --region US2 --tenant acme --topic InteractionCreated --subscription crm --to https://crm.example/events --dead-letter dead.jsonl
  EDS_API_KEY=... eds forward --url wss://eds.example --queue orders --to https://crm.example/events --spool orders.spool --concurrency 8`
}

// Validate is called once the flags are parsed.
func (c *forwardCommand) Validate(parsed *kong.Context) error {
	if err := c.receiveFlags.check(parsed, 1, ""); err != nil {
		return err
	}
	flags := givenIn(parsed)
	switch {
	case c.Attempts != nil && *c.Attempts < 1:
		return fmt.Errorf("--attempts %d: must be at least 1", *c.Attempts)
	case flags.has("spool") && c.Spool == "":
		return errors.New(`--spool "": must not be empty; leave it out to send without one`)
	case c.Spool != "" && c.DeadLetter == "" && flags.has("attempts"):
		return fmt.Errorf("--attempts %d: with --spool needs a --dead-letter for what comes after the last one", *c.Attempts)
	}
	return c.endpointFlags.Validate()
}

// Run forwards events until the user has enough.
func (c *forwardCommand) Run(ctx context.Context, io stdio, logs *logFlags) error {
	p, err := begin(ctx, io, logs, &c.pipelineFlags, "")
	if err != nil {
		return err
	}
	defer p.end()
	sink, err := c.endpointFlags.sink()
	if err != nil {
		return err
	}
	p.release(func() { _ = sink.Close() })
	if c.Spool != "" {
		err = c.overSpool(p, sink.Handle)
	} else {
		err = p.receive(&c.sourceFlags, pipeline{
			handler:           sink.Handle,
			inner:             []eds.Middleware{middleware.Retry(middleware.Attempts(c.attempts(3)), middleware.OnRetry(middleware.CountRetries()))},
			withoutDeadLetter: leaveFailed,
		})
	}
	if err != nil {
		return err
	}
	return c.refused(p.run(ctx))
}

// overSpool has one App record the events and another one send them.
func (c *forwardCommand) overSpool(p *process, send eds.Handler) error {
	attempts := c.attempts(1000)
	if c.DeadLetter == "" {
		attempts = 0 // what nobody would keep is not given up
	}
	file, closeFile, err := c.Spool.open(p.log, attempts)
	if err != nil {
		return err
	}
	p.release(closeFile)
	recording := pipeline{handler: file.Handle, withoutDeadLetter: leaveFailed}
	if c.Concurrency > 1 { // else the order counts
		recording.options = []eds.Option{eds.Concurrency(max(64, c.Concurrency))} // they share an fsync
	}
	if err := p.receive(&c.sourceFlags, recording); err != nil {
		return err
	}
	name := "spool:" + c.Spool.name()
	p.watchSpool(file, name)
	return p.add(pipeline{
		name: name, source: file.Transport(),
		handler: send, inner: []eds.Middleware{file.GiveBack}, withoutDeadLetter: leaveAll,
		options: []eds.Option{eds.HandlerTimeout(c.Timeout + handlerMargin)},
	})
}

// attempts is what the flag says, or this.
func (c *forwardCommand) attempts(unset int) int {
	if c.Attempts != nil {
		return *c.Attempts
	}
	return unset
}

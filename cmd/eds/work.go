package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/alecthomas/kong"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

type workCommand struct {
	From       streamURL     `required:"" placeholder:"URL" env:"EDS_FROM" help:"Stream that has the events: redis://HOST:PORT/STREAM, as eds relay --to (${env})."`
	Group      string        `required:"" placeholder:"NAME" env:"EDS_GROUP" help:"Workers of one group share the events; each group gets them all (${env})."`
	Partitions int           `default:"1" env:"EDS_PARTITIONS" help:"Streams over which the events are spread, as many as eds relay has (${env})."`
	MinIdle    time.Duration `default:"30s" env:"EDS_MIN_IDLE" help:"Silence of a worker after which the others take over its events, and longest pause of an event that failed; the same for all of a group (${env})."`

	ForwardTo string      `placeholder:"URL" env:"EDS_FORWARD_TO" help:"HTTP endpoint that takes the events (${env})."`
	Exec      execSetting `placeholder:"CMD" env:"EDS_EXEC" help:"Shell command that takes an event on its standard input (${env})."`
	requestFlags
	Timeout  *time.Duration `placeholder:"10s" env:"EDS_TIMEOUT" help:"Time for one request; for one run of --exec, 10m unless set (${env})."`
	Attempts int            `default:"1000" env:"EDS_ATTEMPTS" help:"How often an event is tried before it goes to --dead-letter; without one it is tried for ever (${env})."`
	pipelineFlags
}

func (c *workCommand) Help() string {
	return `Any number of workers, on any machines, share the events that eds relay puts into a stream. An event is done when the endpoint has answered 2xx, or the program of --exec has ended with exit code 0.

What fails for now (408, 425, 429, 5xx, no answer; exit code 75, or a signal) comes again on any worker, after Retry-After or a pause that doubles from 1s up to --min-idle. What fails for good (other answers, other exit codes), or for the last of --attempts, goes to --dead-letter; without one nothing is given up, and it comes again.

The program gets the event as one line of CloudEvents JSON on stdin, and EDS_EVENT_ID, EDS_EVENT_TYPE and EDS_ATTEMPT in its environment. When its time is over it gets SIGTERM.

Example:

  eds work --from redis://redis.example/orders-work --group crm --forward-to https://crm.example/events --dead-letter redis://redis.example/orders-dead
  eds work --from redis://redis.example/orders-work --group mail --exec 'jq -r .data.text | mail -s "$EDS_EVENT_TYPE" ops@example.org' --concurrency 4`
}

// Validate is called once the flags are parsed.
func (c *workCommand) Validate(parsed *kong.Context) error {
	if c.From == "" {
		return errors.New("--from: is missing; EDS_FROM can hold it too")
	}
	if err := c.From.check("--from"); err != nil {
		return err
	}
	if c.Group == "" {
		return errors.New("--group: is missing; EDS_GROUP can hold it too")
	}
	if err := checkPartitions(c.Partitions); err != nil {
		return err
	}
	switch {
	case c.Attempts < 1:
		return fmt.Errorf("--attempts %d: must be at least 1", c.Attempts)
	case c.DeadLetter == "" && givenIn(parsed).has("attempts"):
		return fmt.Errorf("--attempts %d: needs a --dead-letter for what comes after the last one", c.Attempts)
	case c.MinIdle < 100*time.Millisecond:
		return fmt.Errorf("--min-idle %q: must be at least 100ms", c.MinIdle)
	case c.Timeout != nil && *c.Timeout <= 0:
		return fmt.Errorf("--timeout %q: must be above zero", *c.Timeout)
	}
	if err := c.checkHandler(givenIn(parsed)); err != nil {
		return err
	}
	return c.pipelineFlags.check(c.From)
}

// checkHandler leaves one of the two that can take events.
func (c *workCommand) checkHandler(flags given) error {
	program := string(c.Exec)
	err := flags.one(alternative{"forward-to", &c.ForwardTo, target(c.ForwardTo)}, alternative{"exec", &program, c.Exec.shown()})
	c.Exec = execSetting(program)
	switch {
	case err != nil:
		return err
	case c.Exec != "":
		for _, name := range []string{"secret", "structured"} {
			if flags.has(name) {
				return fmt.Errorf("--%s: is for --forward-to, and the events go to --exec %q", name, c.Exec.shown())
			}
		}
		return c.Exec.check()
	case c.ForwardTo == "":
		return errors.New("--forward-to or --exec is missing; EDS_FORWARD_TO or EDS_EXEC can hold it too")
	}
	sink, err := c.sink("--forward-to", c.ForwardTo, c.timeout())
	if err != nil {
		return err
	}
	return sink.Close()
}

// timeout is what one try has.
func (c *workCommand) timeout() time.Duration {
	switch {
	case c.Timeout != nil:
		return *c.Timeout
	case c.Exec != "":
		return 10 * time.Minute
	}
	return 10 * time.Second
}

// handler returns what takes the events, and how an App runs it.
func (c *workCommand) handler(p *process) (eds.Handler, []eds.Option, error) {
	if c.Exec != "" {
		sink, err := c.Exec.sink(p.screen)
		if err != nil {
			return nil, nil, err
		}
		return sink.Handle, []eds.Option{eds.HandlerTimeout(c.timeout())}, nil
	}
	sink, err := c.sink("--forward-to", c.ForwardTo, c.timeout())
	if err != nil {
		return nil, nil, err
	}
	p.release(func() { _ = sink.Close() })
	return sink.Handle, []eds.Option{eds.HandlerTimeout(c.timeout() + handlerMargin)}, nil
}

// window is how many events a worker keeps from the others: it has something
// to do while it asks for more, and no long work waits behind other.
func (c *workCommand) window() int {
	if c.Exec != "" {
		return 2 * c.Concurrency
	}
	return max(16, 4*c.Concurrency)
}

// Run works until the user has enough.
func (c *workCommand) Run(ctx context.Context, io stdio, logs *logFlags) error {
	p, err := begin(ctx, io, logs, &c.pipelineFlags, c.From)
	if err != nil {
		return err
	}
	defer p.end()
	handler, options, err := c.handler(p)
	if err != nil {
		return err
	}
	client, stream := c.From.open(p.log, c.Partitions) // a connection waits on each
	p.release(func() { _ = client.Close() })
	source := redisstream.New(client, stream, c.Group, redisstream.Logger(p.log),
		redisstream.Partitions(c.Partitions), redisstream.MinIdle(c.MinIdle),
		redisstream.MaxAttempts(c.attempts()), redisstream.Window(c.window(), 32<<20))
	err = p.add(pipeline{
		name: "stream:" + stream, source: source, types: c.Type, group: c.Group,
		lease:   c.MinIdle, // whoever takes an event over need not wait for longer
		handler: handler, inner: []eds.Middleware{source.GiveBack}, withoutDeadLetter: leaveAll,
		options: append(options, eds.OrderBy(lane(redisstream.Key))),
	})
	if err != nil {
		return err
	}
	return p.run(ctx)
}

// handlerMargin is what a handler has beyond the time of its request, which
// tells better what went wrong.
const handlerMargin = 5 * time.Second

// attempts is how often an event is tried, 0 for ever: what nobody would keep
// is not given up.
func (c *workCommand) attempts() int {
	if c.DeadLetter == "" {
		return 0
	}
	return c.Attempts
}

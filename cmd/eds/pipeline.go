package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/alecthomas/kong"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers/jsonl"
	"github.com/eventdelivery/eds-go/middleware"
)

// pipelineFlags are what listen and forward have in common.
type pipelineFlags struct {
	sourceFlags

	Type         []string      `placeholder:"T" sep:"none" env:"EDS_TYPE" help:"Take events of this type only; T* for a prefix. Others are acknowledged and dropped. May be repeated (${env})."`
	Concurrency  int           `default:"1" env:"EDS_CONCURRENCY" help:"Events at work side by side; 1 keeps their order (${env})."`
	Dedupe       dedupeSetting `default:"memory" env:"EDS_DEDUPE" help:"Where to remember which events are done: memory, off, or redis://HOST:PORT/DB (${env})."`
	DeadLetter   string        `placeholder:"FILE" type:"path" env:"EDS_DEAD_LETTER" help:"Keep events that cannot be handled in this file (${env})."`
	DrainTimeout time.Duration `default:"20s" env:"EDS_DRAIN_TIMEOUT" help:"Time that events at work get when the command is to end (${env})."`
}

// Validate is called once the flags are parsed.
func (f *pipelineFlags) Validate(parsed *kong.Context) error {
	if err := f.sourceFlags.decide(givenIn(parsed)); err != nil {
		return err
	}
	if slices.Contains(f.Type, "") {
		return errors.New(`--type "": must not be empty`)
	}
	switch {
	case f.Concurrency < 1:
		return fmt.Errorf("--concurrency %d: must be at least 1", f.Concurrency)
	case f.DrainTimeout < 0:
		return fmt.Errorf("--drain-timeout %q: must not be negative", f.DrainTimeout)
	}
	return f.Dedupe.Validate()
}

// pipeline is an App that ends in one handler for all types that were asked
// for.
type pipeline struct {
	flags     *pipelineFlags
	log       *slog.Logger
	handler   eds.Handler
	outer     []eds.Middleware // around all others
	inner     []eds.Middleware // between the dead letters and the handler
	options   []eds.Option
	telemetry telemetry
	// keepFailed leaves an event that failed with the service when there is no
	// dead-letter file, instead of dropping it.
	keepFailed bool
}

// build returns the App and what releases its resources.
func (p *pipeline) build() (app *eds.App, release func(), err error) {
	var closers []func()
	release = func() {
		for _, c := range closers {
			c()
		}
	}
	store, closeStore, err := p.flags.Dedupe.open(p.log)
	if err != nil {
		return nil, nil, fmt.Errorf("--dedupe: %w", err)
	}
	closers = append(closers, closeStore)
	source, closeSource, err := p.flags.sourceFlags.open(p.log)
	if err != nil {
		release()
		return nil, nil, err
	}
	closers = append(closers, closeSource)

	options := append([]eds.Option{
		eds.Concurrency(p.flags.Concurrency),
		eds.Buffer(max(256, 2*p.flags.Concurrency), 64<<20),
		eds.DrainTimeout(p.flags.DrainTimeout),
		eds.Logger(p.log),
	}, p.options...)
	app = eds.New(source, options...)
	app.Use(p.outer...)
	app.Use(p.telemetry.use...)
	app.Use(middleware.Logging(p.log, middleware.Levels(level)))
	if store != nil {
		app.Use(middleware.Dedupe(store))
	}
	switch {
	case p.flags.DeadLetter != "":
		file, err := jsonl.Open(p.flags.DeadLetter)
		if err != nil {
			release()
			return nil, nil, fmt.Errorf("--dead-letter: %w", err)
		}
		closers = append(closers, func() { _ = file.Close() })
		app.Use(middleware.DeadLetter(file.Handle))
	case p.keepFailed:
		app.Use(leaveFailed)
	}
	app.Use(p.inner...)
	app.Use(middleware.Recover())

	types := p.flags.Type
	if len(types) == 0 {
		types = []string{"*"}
	}
	for _, t := range types {
		app.Handle(t, p.handler)
	}
	if err := app.Validate(); err != nil {
		release()
		return nil, nil, usageError{err}
	}
	return app, release, nil
}

// announce tells a person who ends the command, by the end of ctx, what it
// still waits for.
func announce(ctx context.Context, log *slog.Logger, drain time.Duration) (cancel func() bool) {
	return context.AfterFunc(ctx, func() {
		log.InfoContext(ctx, "stopping: events at work may finish, a second signal ends at once",
			"cause", context.Cause(ctx), "drain_timeout", drain)
	})
}

// level keeps the log for what a person must know: an event that is done is
// seen elsewhere.
func level(o eds.Outcome) slog.Level {
	switch o {
	case eds.Handled, eds.Duplicate, eds.Unsupported:
		return slog.LevelDebug
	case eds.Redelivered:
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}

// leaveFailed stands where a dead-letter file would: what fails comes again,
// except what never could be read as an event.
func leaveFailed(next eds.Handler) eds.Handler {
	return func(ctx context.Context, e *eds.Event) error {
		err := next(ctx, e)
		if d, ok := eds.DeliveryFromContext(ctx); ok && d.Err != nil {
			return err
		}
		if eds.OutcomeOf(err) == eds.Failed {
			return eds.Redeliver(err)
		}
		return err
	}
}

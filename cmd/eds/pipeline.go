package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/middleware"
)

// pipelineFlags are what all commands that run Apps have in common.
type pipelineFlags struct {
	Type        []string          `placeholder:"T" sep:"none" env:"EDS_TYPE" help:"Take events of this type only; T* for a prefix. Others are acknowledged and dropped. May be repeated (${env})."`
	Concurrency int               `default:"${concurrency}" env:"EDS_CONCURRENCY" help:"Events at work side by side; 1 keeps their order (${env})."`
	Dedupe      dedupeSetting     `default:"${dedupe}" env:"EDS_DEDUPE" help:"Where to remember which events are done: ${dedupes}, or redis://HOST:PORT/DB (${env})."`
	DeadLetter  deadLetterSetting `placeholder:"FILE" env:"EDS_DEAD_LETTER" help:"Keep events that cannot be handled in this file, or in the stream redis://HOST:PORT/STREAM (${env})."`
	healthFlags
	DrainTimeout time.Duration `default:"20s" env:"EDS_DRAIN_TIMEOUT" help:"Time that events at work get when the command is to end (${env})."`
}

// check names what is wrong with the flags. stream is the command's own, ""
// for none.
func (f *pipelineFlags) check(stream streamURL) error {
	if slices.Contains(f.Type, "") {
		return errors.New(`--type "": must not be empty`)
	}
	switch {
	case f.Concurrency < 1:
		return fmt.Errorf("--concurrency %d: must be at least 1", f.Concurrency)
	case f.DrainTimeout < 0:
		return fmt.Errorf("--drain-timeout %q: must not be negative", f.DrainTimeout)
	}
	if err := f.checkHealthAddr(); err != nil {
		return err
	}
	if err := f.DeadLetter.check(stream); err != nil {
		return err
	}
	return f.Dedupe.check(stream)
}

// pipeline is an App that ends in one handler for all types that were asked
// for.
type pipeline struct {
	name   string // of what it receives from
	source eds.Transport
	types  []string // all without any
	group  string   // of what is remembered as done
	// lease is how long a dead process protects the events that it had in work;
	// zero for what is usual.
	lease   time.Duration
	handler eds.Handler
	outer   []eds.Middleware // around all others
	inner   []eds.Middleware // between the dead letters and the handler
	options []eds.Option
	// withoutDeadLetter stands where dead letters are kept when nothing keeps any; without
	// it what fails is dropped.
	withoutDeadLetter eds.Middleware
}

// build returns the App.
func (p *process) build(l pipeline) (*eds.App, error) {
	app := eds.New(l.source, append([]eds.Option{
		eds.Concurrency(p.flags.Concurrency),
		eds.Buffer(max(256, 2*p.flags.Concurrency), 64<<20),
		eds.DrainTimeout(p.flags.DrainTimeout),
		eds.Logger(p.log),
	}, l.options...)...)
	app.Use(l.outer...)
	app.Use(p.telemetry.use...)
	app.Use(middleware.Logging(p.log, middleware.Levels(level)))
	if p.known != nil {
		app.Use(middleware.Dedupe(p.known, middleware.DedupeGroup(l.group), middleware.DedupeLease(l.lease)))
	}
	switch {
	case p.letters != nil:
		app.Use(middleware.DeadLetter(p.letters))
	case l.withoutDeadLetter != nil:
		app.Use(l.withoutDeadLetter)
	}
	app.Use(l.inner...)
	app.Use(middleware.Recover())

	types := l.types
	if len(types) == 0 {
		types = []string{"*"}
	}
	for _, t := range types {
		app.Handle(t, l.handler)
	}
	if err := app.Validate(); err != nil {
		return nil, usageError{err}
	}
	return app, nil
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

// leaveFailed has what fails come again, except what never could be read as an
// event: that would hold up the service.
func leaveFailed(next eds.Handler) eds.Handler {
	return func(ctx context.Context, e *eds.Event) error {
		err := next(ctx, e)
		if d, ok := eds.DeliveryFromContext(ctx); ok && d.Err != nil {
			return err
		}
		return leave(err)
	}
}

// leaveAll has whatever fails come again, which holds up nothing in a spool or
// a stream.
func leaveAll(next eds.Handler) eds.Handler {
	return func(ctx context.Context, e *eds.Event) error { return leave(next(ctx, e)) }
}

func leave(err error) error {
	if eds.OutcomeOf(err) == eds.Failed {
		return eds.Redeliver(err)
	}
	return err
}

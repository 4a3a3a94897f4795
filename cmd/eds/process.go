package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/eds/probe"
)

// process is what the Apps of one command share, and the Apps.
type process struct {
	flags     *pipelineFlags
	log       *slog.Logger
	screen    *screen
	health    *health
	telemetry telemetry
	known     dedupe.Store // nil for none
	letters   eds.Handler  // nil for none
	apps      apps
	probed    probe.Apps // what /readyz tells of besides
	releases  []func()
}

// begin opens what the flags name. The command's stream is "" where it has
// none. Until ctx ends a person may wait for the command; then it says why it
// is not over yet. The caller defers end.
func begin(ctx context.Context, io stdio, logs *logFlags, flags *pipelineFlags, stream streamURL) (*process, error) {
	p := &process{flags: flags, screen: newScreen(io.err), probed: probe.Apps{}}
	p.log = logs.logger(p.screen)
	p.release(announce(ctx, p.log, flags.DrainTimeout))
	if err := p.open(ctx, stream); err != nil {
		p.end()
		return nil, err
	}
	return p, nil
}

func (p *process) open(ctx context.Context, stream streamURL) (err error) {
	// The first to open is the last to close: /readyz answers to the end.
	if p.health, err = p.flags.healthFlags.listen(p.log); err != nil {
		return err
	}
	p.release(p.health.close)
	if p.telemetry, err = startTelemetry(ctx, p.log, p.screen, p.health.readers()...); err != nil {
		return err
	}
	p.release(p.telemetry.stop)
	known, closeKnown, err := p.flags.Dedupe.open(p.log, stream)
	if err != nil {
		return fmt.Errorf("--dedupe: %w", err)
	}
	p.known = known
	p.release(closeKnown)
	letters, closeLetters, err := p.flags.DeadLetter.open(p.log)
	if err != nil {
		return err
	}
	p.letters = letters
	p.release(closeLetters)
	return nil
}

// release has f called at the end, before what was given earlier.
func (p *process) release(f func()) { p.releases = append(p.releases, f) }

func (p *process) end() {
	for _, f := range slices.Backward(p.releases) {
		f()
	}
}

// add builds an App.
func (p *process) add(l pipeline) error {
	app, err := p.build(l)
	if err != nil {
		return err
	}
	p.telemetry.watch(app, l.name)
	p.apps = append(p.apps, namedApp{l.name, app})
	return nil
}

// run runs the Apps, and these beside them until the Apps end. An error of
// either ends all.
func (p *process) run(ctx context.Context, beside ...func(context.Context) error) error {
	defer p.screen.show(p.apps)()
	maps.Copy(p.probed, p.apps.probed())
	p.health.serve(p.probed)
	ctx, end := context.WithCancel(ctx)
	errs := make([]error, 1+len(beside))
	var running sync.WaitGroup
	for i, f := range beside {
		running.Go(func() {
			if errs[1+i] = f(ctx); errs[1+i] != nil {
				end()
			}
		})
	}
	errs[0] = p.apps.run(ctx)
	end()
	running.Wait()
	return errors.Join(errs...)
}

// announce tells a person who ends the command, by the end of ctx, what it
// still waits for.
func announce(ctx context.Context, log *slog.Logger, drain time.Duration) (cancel func()) {
	stop := context.AfterFunc(ctx, func() {
		log.InfoContext(ctx, "stopping: events at work may finish, a second signal ends at once",
			"cause", context.Cause(ctx), "drain_timeout", drain)
	})
	return func() { stop() }
}

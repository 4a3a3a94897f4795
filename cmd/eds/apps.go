package main

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/eds/probe"
)

// namedApp is an App and the name of what it receives from.
type namedApp struct {
	name string
	app  *eds.App
}

// apps are the Apps of one process.
type apps []namedApp

// run runs all of them until ctx ends, or one does: a process of which a part
// was refused for good must not look as if it did its work.
func (a apps) run(ctx context.Context) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	errs := make([]error, len(a))
	var running sync.WaitGroup
	for i, m := range a {
		running.Go(func() {
			defer end()
			if errs[i] = m.app.Run(ctx); errs[i] != nil && len(a) > 1 {
				errs[i] = &appError{m.name, errs[i]}
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// appError says which of several Apps failed.
type appError struct {
	name string
	err  error
}

func (e *appError) Error() string {
	return e.name + ": " + strings.TrimPrefix(e.err.Error(), "eds: ")
}
func (e *appError) Unwrap() error { return e.err }

// line is what a person wants to know at a glance.
func (a apps) line() string {
	if len(a) == 1 {
		return liveLine(a[0].app.Health())
	}
	var all []string
	for _, m := range a {
		all = append(all, m.name+": "+liveLine(m.app.Health()))
	}
	return strings.Join(all, " | ")
}

// probed are the Apps by their names.
func (a apps) probed() probe.Apps {
	named := make(probe.Apps, len(a))
	for _, m := range a {
		named[m.name] = m.app
	}
	return named
}

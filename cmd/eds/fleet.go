package main

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/eds/probe"
)

// member is an App and the name of what it receives from.
type member struct {
	name string
	app  *eds.App
}

// fleet are the Apps of one process.
type fleet []member

// run runs all of them until ctx ends, or one does: a process of which a part
// was refused for good must not look as if it did its work.
func (f fleet) run(ctx context.Context) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	errs := make([]error, len(f))
	var running sync.WaitGroup
	for i, m := range f {
		running.Go(func() {
			defer end()
			if errs[i] = m.app.Run(ctx); errs[i] != nil && len(f) > 1 {
				errs[i] = &memberError{m.name, errs[i]}
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// memberError says which of several Apps failed.
type memberError struct {
	name string
	err  error
}

func (e *memberError) Error() string {
	return e.name + ": " + strings.TrimPrefix(e.err.Error(), "eds: ")
}
func (e *memberError) Unwrap() error { return e.err }

// line is what a person wants to know at a glance.
func (f fleet) line() string {
	if len(f) == 1 {
		return liveLine(f[0].app.Health())
	}
	var all []string
	for _, m := range f {
		all = append(all, m.name+": "+liveLine(m.app.Health()))
	}
	return strings.Join(all, " | ")
}

// probed are the Apps by their names.
func (f fleet) probed() probe.Apps {
	apps := make(probe.Apps, len(f))
	for _, m := range f {
		apps[m.name] = m.app
	}
	return apps
}

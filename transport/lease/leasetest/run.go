// Package leasetest tells whether a lease.Lease keeps its contract.
//
//	func TestLease(t *testing.T) {
//		leasetest.Run(t, func(tb testing.TB) leasetest.Store {
//			return mystore.New(...)
//		}, leasetest.Features{})
//	}
//
// That it finds what it looks for is tested too, with leases that are often
// built instead: one that any holder can release, that two get at once, that
// never ends, or that calls a store that is down a free one.
package leasetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/transport/lease"
)

// Store makes holders.
type Store interface {
	// Holder returns a new holder of the lease called name, that calls itself
	// self.
	Holder(name, self string) lease.Lease
}

// Factory makes an empty store that nobody else uses. What it needs to clean
// up it registers with tb.
type Factory func(tb testing.TB) Store

// Features offers the suite what a store can do beyond the interface. The zero
// value leaves out what needs it.
type Features struct {
	// Break makes a store unreachable. Nil is for one that cannot be.
	Break func(tb testing.TB, s Store)
	// Sleep lets time pass; nil for time.Sleep.
	Sleep func(time.Duration)
}

// Run runs the suite. It waits for the end of a few short leases, 2 s in all.
func Run(t *testing.T, open Factory, f Features) {
	if f.Sleep == nil {
		f.Sleep = time.Sleep
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			if c.breaks && f.Break == nil {
				t.Skip("Features.Break is nil: the store cannot be unreachable")
			}
			if err := c.run(&trial{Context: t.Context(), Features: f, tb: t, store: open(t)}); err != nil {
				t.Error(err)
			}
		})
	}
}

// check is one part of the contract.
type check struct {
	name   string
	breaks bool // it needs Features.Break
	run    func(*trial) error
}

// trial is one check on one store.
type trial struct {
	context.Context
	Features
	tb    testing.TB
	store Store
}

// takes checks that a Take gets the lease.
func (t *trial) takes(what string, l lease.Lease, term time.Duration) error {
	c, err := l.Take(t, term)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if c != (lease.Claim{Held: true}) {
		return fmt.Errorf("%s: %+v, want it held, and nothing of another", what, c)
	}
	return nil
}

// waits checks that a Take finds the lease in the hands of another, who calls
// itself holder, for at most the term.
func (t *trial) waits(what string, l lease.Lease, holder string, term time.Duration) error {
	c, err := l.Take(t, term)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case c.Held:
		return fmt.Errorf("%s: got it as well", what)
	case c.Holder != holder && c.Holder != "":
		return fmt.Errorf("%s: it is said to be with %q, want %q", what, c.Holder, holder)
	case c.Left < 0 || c.Left > term:
		return fmt.Errorf("%s: it is said to last for %v more, of %v", what, c.Left, term)
	}
	return nil
}

func (t *trial) releases(what string, l lease.Lease) error {
	if err := l.Release(t); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// all returns the first error of steps, which are taken until there is one.
func all(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

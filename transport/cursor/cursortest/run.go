// Package cursortest tells whether a cursor.Store keeps its contract.
//
//	func TestStore(t *testing.T) {
//		cursortest.Run(t, func(tb testing.TB) cursor.Store {
//			return mystore.New(...)
//		}, cursortest.Features{})
//	}
//
// That it finds what it looks for is tested too, with stores that are often
// built instead: one that keeps the first position, cuts long ones off, mixes
// up names, or calls a server that is down an empty one.
package cursortest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/transport/cursor"
)

// Factory makes an empty store that nobody else uses. What it needs to clean
// up it registers with tb.
type Factory func(tb testing.TB) cursor.Store

// Features offers the suite what a store can do beyond the interface. The zero
// value leaves out what needs it.
type Features struct {
	// Reopen ends the use of s and opens what it kept again, as a new process
	// would. Nil is for a store that is not durable.
	Reopen func(tb testing.TB, s cursor.Store) cursor.Store
	// Break makes a store unreachable. Nil is for one that cannot be.
	Break func(tb testing.TB, s cursor.Store)
}

// Run runs the suite. It waits for nothing but the store.
func Run(t *testing.T, open Factory, f Features) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			if c.reopens && f.Reopen == nil {
				t.Skip("Features.Reopen is nil: the store is not durable")
			}
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
	name    string
	reopens bool // it needs Features.Reopen
	breaks  bool // it needs Features.Break
	run     func(*trial) error
}

// trial is one check on one store.
type trial struct {
	context.Context
	Features
	tb    testing.TB
	store cursor.Store
}

// load checks what is saved under name.
func (t *trial) load(what, name, want string) error {
	got, err := t.store.Load(t, name)
	if err != nil {
		return fmt.Errorf("%s: load %s: %w", what, brief(name), err)
	}
	if got != want {
		return fmt.Errorf("%s: under %s is %s, want %s", what, brief(name), brief(got), brief(want))
	}
	return nil
}

func (t *trial) save(what, name, position string) error {
	if err := t.store.Save(t, name, position); err != nil {
		return fmt.Errorf("%s: save %s under %s: %w", what, brief(position), brief(name), err)
	}
	return nil
}

// keep saves a position, and checks that it is there.
func (t *trial) keep(what, name, position string) error {
	if err := t.save(what, name, position); err != nil {
		return err
	}
	return t.load(what, name, position)
}

// all checks what is saved under each name.
func (t *trial) all(what string, want map[string]string) error {
	for name, position := range want {
		if err := t.load(what, name, position); err != nil {
			return err
		}
	}
	return nil
}

// brief shows a string that may be long.
func brief(s string) string {
	if len(s) <= 64 {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q... (%d bytes)", s[:32], len(s))
}

// position returns one of n bytes that differ, as a message id would have.
func position(n int) string {
	const base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	return strings.Repeat(base64, n/len(base64)+1)[:n]
}

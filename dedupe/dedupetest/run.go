// Package dedupetest tells whether a dedupe.Store keeps its contract.
//
//	func TestStore(t *testing.T) {
//		dedupetest.Run(t, func(tb testing.TB, retention time.Duration) dedupe.Store {
//			return mystore.New(mystore.Retention(retention))
//		}, dedupetest.Features{})
//	}
//
// It compares the store with dedupe.Machine, one operation after another and
// in concurrent histories that must be linearizable, and tries what goes
// wrong between workers: a lease that ends, an owner that comes back late, a
// store that cannot be reached.
//
// That it finds what it looks for is tested too, with the machines that are
// often built instead: mark first, release without token, acknowledge what is
// in progress.
package dedupetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/dedupe"
)

// Factory makes an empty store that remembers events for retention and that
// nobody else uses. What it needs to clean up it registers with tb.
type Factory func(tb testing.TB, retention time.Duration) dedupe.Store

// Features tells what a store cannot do, or offers the suite what it can do
// in addition. The zero value is a store that keeps the whole contract.
type Features struct {
	// ForgetsAttempts: an unfinished event is forgotten at the end of its
	// lease and at its release, so that attempts are not counted.
	ForgetsAttempts bool
	// ReleaseWaits: a released event is free only at the end of its lease.
	ReleaseWaits bool
	// Break makes a store unreachable. Nil leaves that part out.
	Break func(tb testing.TB, s dedupe.Store)
}

// Run runs the suite. It takes a few seconds of the store's time, and none of
// its own in a testing/synctest bubble.
func Run(t *testing.T, open Factory, f Features) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			if c.broken && f.Break == nil {
				t.Skip("Features.Break is nil")
			}
			retention := long
			if c.retention != 0 {
				retention = c.retention
			}
			s := open(t, retention)
			if c.broken {
				f.Break(t, s)
			}
			if err := c.run(&trial{Context: t.Context(), store: s, Features: f}); err != nil {
				t.Error(err)
			}
		})
	}
}

const (
	// long does not end during a test.
	long = time.Hour
	// short is waited for.
	short = 30 * time.Millisecond
	// patience is how long that may take.
	patience = 30 * time.Second
)

// check is one part of the contract.
type check struct {
	name      string
	retention time.Duration // of the store; zero is long
	broken    bool          // the store is made unreachable first
	run       func(*trial) error
}

// trial is one check on one store.
type trial struct {
	context.Context
	Features
	store dedupe.Store
	keys  int
}

// key returns one that was not used before.
func (t *trial) key() string {
	t.keys++
	return dedupe.Key("dedupetest", "eds://dedupetest/queue", "queue", fmt.Sprint(t.keys))
}

func hold(key string, lease time.Duration) dedupe.Hold {
	return dedupe.Hold{Key: key, Token: dedupe.NewToken(), Lease: lease}
}

// claim claims h and checks the answer's state.
func (t *trial) claim(what string, h dedupe.Hold, want dedupe.ClaimState) (dedupe.Claim, error) {
	c, err := t.store.Claim(t, h)
	if err != nil {
		return c, fmt.Errorf("%s: %w", what, err)
	}
	if c.State != want {
		return c, fmt.Errorf("%s: the claim is %v, want %v: %+v", what, c.State, want, c)
	}
	return c, nil
}

// acquire claims h again and again until it is acquired.
func (t *trial) acquire(what string, h dedupe.Hold) (dedupe.Claim, error) {
	for end := time.Now().Add(patience); ; {
		c, err := t.store.Claim(t, h)
		if err != nil || c.State == dedupe.Acquired {
			return c, err
		}
		if time.Now().After(end) {
			return c, fmt.Errorf("%s: the claim is still %+v after %v", what, c, patience)
		}
		time.Sleep(max(min(c.Wait, short), time.Millisecond))
	}
}

// attempts checks what a claim counted.
func (t *trial) attempts(what string, c dedupe.Claim, attempt, abandoned int) error {
	if t.ForgetsAttempts {
		return nil
	}
	if c.Attempt != attempt || c.Abandoned != abandoned {
		return fmt.Errorf("%s: attempt %d, %d abandoned; want %d and %d", what, c.Attempt, c.Abandoned, attempt, abandoned)
	}
	return nil
}

// owned checks the answer of Commit, Release and Renew.
func owned(what string, got bool, err error, want bool) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if got != want {
		return fmt.Errorf("%s: owned is %v, want %v", what, got, want)
	}
	return nil
}

// all returns the first error of steps, which stop there.
func all(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// unavailable checks that an error says what every error of a store must.
func unavailable(what string, err error) error {
	if errors.Is(err, dedupe.ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return fmt.Errorf("%s: the error does not wrap dedupe.ErrUnavailable: %w", what, err)
}

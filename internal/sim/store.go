package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/internal/history"
)

// Store is the way to the dedupe store: it writes the history, and misbehaves
// on demand.
type Store struct {
	world  *World
	shared *shared

	mu    sync.Mutex
	down  bool
	calls passes
}

// StoreFault is what happens to one call.
type StoreFault struct {
	// Latency is how long the call takes.
	Latency time.Duration
	// Refuse ends the call before it did anything.
	Refuse bool
	// LoseReply has the call done without the caller hearing of it. The
	// client library asks again, as go-redis does up to 3 times, and gets the
	// answer to that. With Silent, it hears nothing then either.
	LoseReply bool
	Silent    bool
	// Late has a position saved this long after its save had failed.
	Late time.Duration
}

func newStore(w *World) *Store { return &Store{world: w, shared: newShared()} }

// Down makes every call fail from now on, or work again.
func (s *Store) Down(down bool) {
	s.mu.Lock()
	changed := s.down != down
	s.down = down
	s.mu.Unlock()
	if changed && down {
		// Excuses nothing by itself: each call that it refuses does, for its
		// event.
		s.world.Log.Record(history.Entry{Actor: "store", Op: history.Fault, Result: "store down"})
	}
}

// Wipe forgets everything.
func (s *Store) Wipe() {
	s.shared.wipe()
	s.world.Log.Record(history.Entry{Actor: "store", Op: history.StoreFault, Result: "store wiped"})
}

// Jump moves the store's clock.
func (s *Store) Jump(by time.Duration) {
	s.shared.mu.Lock()
	s.shared.jump += by
	s.shared.mu.Unlock()
	s.world.Log.Record(history.Entry{Actor: "store", Op: history.StoreFault, Result: "store clock jumped"})
}

var (
	errStore   = fmt.Errorf("%w: simulated", dedupe.ErrUnavailable)
	errCrashed = errors.New("sim: the process is dead")
)

// call performs one operation with the faults that are due. do may be called
// twice, and returns what the history says of it.
func (s *Store) call(ctx context.Context, p *Process, op, event string, do func() history.Entry) error {
	if p.Dead() {
		return errCrashed
	}
	n := s.calls.next(p.Name, op, event)
	var f StoreFault
	if s.world.Scenario.StoreCall != nil && !s.world.quiet() {
		f = s.world.Scenario.StoreCall(p.Name, op, event, n)
	}
	if op != "claim" {
		ctx = context.WithoutCancel(ctx) // what follows the work is not given up
	}
	if !sleep(ctx, f.Latency+s.world.Seed.Tie("store", p.Name, op, event, n)) {
		return context.Cause(ctx)
	}
	// A commit that the store never heard of lets the event run again, and a
	// renewal lets its lease end. A claim that got no answer excuses nothing:
	// the event is not run then.
	excuse := history.Fault
	if op == "commit" || op == "renew" {
		excuse = history.StoreFault
	}
	fault := func(kind history.Op, what string) {
		p.record(history.Entry{Op: kind, Event: event, Result: op + what})
	}
	s.mu.Lock()
	down := s.down
	s.mu.Unlock()
	switch {
	case p.Dead():
		return errCrashed // fenced: a dead process cannot write
	case down || f.Refuse:
		fault(excuse, " refused")
		return errStore
	}
	p.note(event, do())
	if f.LoseReply {
		// It was done all the same, so even silence excuses nothing.
		if f.Silent {
			fault(history.Fault, " reply lost for good")
			return errStore
		}
		fault(history.Fault, " reply lost")
		p.note(event, do())
	}
	return nil
}

// note records what a call did, when that is anything.
func (p *Process) note(event string, e history.Entry) {
	if e.Op != "" {
		e.Event = event
		p.record(e)
	}
}

// For returns a store as the process sees it: with its crash points, and
// fenced once the process is dead. The store is inner, or the shared one when
// that is nil.
func (s *Store) For(p *Process, inner dedupe.Store) dedupe.Store {
	if inner == nil {
		inner = s.shared
	}
	return &storeHandle{s, p, inner}
}

type storeHandle struct {
	store   *Store
	process *Process
	inner   dedupe.Store
}

// Claim implements dedupe.Store.
func (h *storeHandle) Claim(ctx context.Context, hold dedupe.Hold) (claim dedupe.Claim, err error) {
	event := eventOf(hold.Key)
	if err := h.process.reach(BeforeClaim, event); err != nil {
		return claim, err
	}
	called := h.store.call(ctx, h.process, "claim", event, func() history.Entry {
		claim, err = h.inner.Claim(ctx, hold)
		return history.Entry{Op: history.Claim, Token: hold.Token.String(), Attempt: claim.Attempt, Result: claim.State.String()}
	})
	if err := errors.Join(called, err); err != nil {
		return dedupe.Claim{}, err
	}
	if claim.State == dedupe.Busy {
		claim.Wait = min(claim.Wait, h.patience(hold, event))
	}
	return claim, h.process.reach(AfterClaim, event)
}

// patience makes the times at which a busy event is asked for again a
// function of the seed. The middleware draws them from [d/2, d), d doubling
// from 250 ms to 2 s, but asks no later than the lease is said to end.
func (h *storeHandle) patience(hold dedupe.Hold, event string) time.Duration {
	n := h.store.calls.next("busy", hold.Token)
	least := min(125*time.Millisecond<<min(n-1, 3), time.Second)
	return least - h.store.world.Seed.Between(2*time.Millisecond, 20*time.Millisecond, "busy", h.process.Name, event, n)
}

// Commit implements dedupe.Store.
func (h *storeHandle) Commit(ctx context.Context, hold dedupe.Hold, result dedupe.Result) (owned bool, err error) {
	event := eventOf(hold.Key)
	if err := h.process.reach(BeforeCommit, event); err != nil {
		return false, err
	}
	called := h.store.call(ctx, h.process, "commit", event, func() history.Entry {
		owned, err = h.inner.Commit(ctx, hold, result)
		return history.Entry{Op: history.Commit, Token: hold.Token.String(), Result: result.String()}
	})
	if err := errors.Join(called, err); err != nil {
		return false, err
	}
	return owned, h.process.reach(AfterCommit, event)
}

// Release implements dedupe.Store.
func (h *storeHandle) Release(ctx context.Context, hold dedupe.Hold) (owned bool, err error) {
	called := h.store.call(ctx, h.process, "release", eventOf(hold.Key), func() history.Entry {
		owned, err = h.inner.Release(ctx, hold)
		return history.Entry{Op: history.Release, Token: hold.Token.String()}
	})
	return owned, errors.Join(called, err)
}

// Renew implements dedupe.Store.
func (h *storeHandle) Renew(ctx context.Context, hold dedupe.Hold) (owned bool, err error) {
	called := h.store.call(ctx, h.process, "renew", eventOf(hold.Key), func() history.Entry {
		owned, err = h.inner.Renew(ctx, hold)
		return history.Entry{}
	})
	return owned, errors.Join(called, err)
}

// mark is SETNX on the shared store, for clients that know nothing better.
func (s *Store) mark(ctx context.Context, p *Process, event string) (fresh bool, err error) {
	err = s.call(ctx, p, "claim", event, func() history.Entry {
		fresh = s.shared.setNX(event)
		return history.Entry{Op: history.Claim, Result: fmt.Sprintf("setnx %v", fresh)}
	})
	return fresh, err
}

// eventOf reads the event's id off a dedupe.Key, whose last part it is.
func eventOf(key string) string { return key[strings.LastIndexByte(key, ':')+1:] }

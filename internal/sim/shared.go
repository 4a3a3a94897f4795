package sim

import (
	"context"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/dedupe"
)

// shared is a dedupe store that several processes share, as they would share
// a Redis: the rules of dedupe.Machine over a map, with a clock that can jump.
type shared struct {
	started time.Time

	mu      sync.Mutex
	machine dedupe.Machine
	records map[string]dedupe.Record
	marks   map[string]bool // of clients that know only SETNX
	jump    time.Duration
}

func newShared() *shared {
	return &shared{started: time.Now(), records: map[string]dedupe.Record{}, marks: map[string]bool{}}
}

func (s *shared) change(key string, rule func(r dedupe.Record, now time.Duration) dedupe.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[key] = rule(s.records[key], time.Since(s.started)+s.jump)
}

// Claim implements dedupe.Store.
func (s *shared) Claim(_ context.Context, h dedupe.Hold) (claim dedupe.Claim, _ error) {
	s.change(h.Key, func(r dedupe.Record, now time.Duration) dedupe.Record {
		r, claim = s.machine.Claim(r, now, h)
		return r
	})
	return claim, nil
}

// Commit implements dedupe.Store.
func (s *shared) Commit(_ context.Context, h dedupe.Hold, result dedupe.Result) (owned bool, _ error) {
	s.change(h.Key, func(r dedupe.Record, now time.Duration) dedupe.Record {
		r, owned = s.machine.Commit(r, now, h, result)
		return r
	})
	return owned, nil
}

// Release implements dedupe.Store.
func (s *shared) Release(_ context.Context, h dedupe.Hold) (owned bool, _ error) {
	s.change(h.Key, func(r dedupe.Record, now time.Duration) dedupe.Record {
		r, owned = s.machine.Release(r, now, h)
		return r
	})
	return owned, nil
}

// Renew implements dedupe.Store.
func (s *shared) Renew(_ context.Context, h dedupe.Hold) (owned bool, _ error) {
	s.change(h.Key, func(r dedupe.Record, now time.Duration) dedupe.Record {
		r, owned = s.machine.Renew(r, now, h)
		return r
	})
	return owned, nil
}

// setNX marks a key; true means that it was not there.
func (s *shared) setNX(key string) (fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh = !s.marks[key]
	s.marks[key] = true
	return fresh
}

func (s *shared) wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.records)
	clear(s.marks)
}

// Package lru is the dedupe store in memory: for one process, and as the
// fallback of stores that live elsewhere.
package lru

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/eds"
)

// DefaultSize is how many events are remembered unless Size says otherwise:
// at a few hundred bytes each some tens of megabytes, and at 100 events a
// second the last 20 minutes, far more than the 30 s after which EDS
// delivers an event again.
const DefaultSize = 1 << 17

// chunk is how many records are made with one allocation.
const chunk = 64

// Store remembers events in memory. What it forgets first is the event that
// was done or asked for the longest time ago; a claim that is in progress is
// never forgotten before its lease is over. Create it with New; it needs no
// closing, since it has no goroutine.
type Store struct {
	size    int
	machine dedupe.Machine
	start   time.Time // its monotonic reading is the clock of all records

	mu      sync.Mutex
	records *simplelru.LRU[string, *dedupe.Record]
	unused  []dedupe.Record // made, but of no key yet
	active  int             // records in progress
	stats   Stats
}

// Stats is a look at a Store.
type Stats struct {
	// Records counts the events that are remembered. Active tells how many
	// of them are in progress, as far as their last owner said.
	Records, Active int
	// Evicted counts events that were forgotten before their retention was
	// over, because the store was full.
	Evicted uint64
	// EvictedAge is the least time for which an evicted event had been
	// remembered; zero when none was evicted. Below the time in which a
	// service delivers again, the store is too small.
	EvictedAge time.Duration
	// Changed counts claims whose payload was not the one of the record.
	Changed uint64
}

// Option configures a Store.
type Option func(*Store)

// Size sets how many events are remembered at most, those in progress
// included. The default is DefaultSize.
func Size(n int) Option { return func(s *Store) { s.size = n } }

// Retention sets for how long an event is remembered. The default is
// dedupe.DefaultRetention.
func Retention(d time.Duration) Option { return func(s *Store) { s.machine.Retention = d } }

// New returns an empty store. Its error is an *eds.ConfigError.
func New(opts ...Option) (*Store, error) {
	s := &Store{
		size:    DefaultSize,
		machine: dedupe.Machine{Retention: dedupe.DefaultRetention},
		start:   time.Now(),
	}
	for _, o := range opts {
		if o != nil {
			o(s)
		}
	}
	if s.size < 1 {
		return nil, &eds.ConfigError{Setting: "lru.Size", Value: fmt.Sprint(s.size), Reason: "must be at least 1"}
	}
	if s.machine.Retention <= 0 {
		return nil, &eds.ConfigError{Setting: "lru.Retention", Value: s.machine.Retention.String(), Reason: "must be positive"}
	}
	// makeRoom evicts, so that the list never does it by itself.
	records, err := simplelru.NewLRU[string, *dedupe.Record](s.size+1, nil)
	if err != nil {
		return nil, fmt.Errorf("lru: %w", err)
	}
	s.records = records
	return s, nil
}

var _ dedupe.Store = (*Store)(nil)

// Claim implements dedupe.Store. It fails only when as many events are in
// progress as the store can hold.
func (s *Store) Claim(_ context.Context, h dedupe.Hold) (dedupe.Claim, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	r, err := s.record(h.Key, now)
	if err != nil {
		return dedupe.Claim{}, err
	}
	next, c := s.machine.Claim(*r, now, h)
	s.set(r, next)
	if c.Changed {
		s.stats.Changed++
	}
	return c, nil
}

// Commit implements dedupe.Store. It fails only like Claim, and only for an
// event that was not claimed here.
func (s *Store) Commit(_ context.Context, h dedupe.Hold, result dedupe.Result) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	r, err := s.record(h.Key, now)
	if err != nil {
		return false, err
	}
	next, owned := s.machine.Commit(*r, now, h, result)
	s.set(r, next)
	return owned, nil
}

// Release implements dedupe.Store. It never fails.
func (s *Store) Release(_ context.Context, h dedupe.Hold) (bool, error) {
	return s.change(h, s.machine.Release), nil
}

// Renew implements dedupe.Store. It never fails.
func (s *Store) Renew(_ context.Context, h dedupe.Hold) (bool, error) {
	return s.change(h, s.machine.Renew), nil
}

func (s *Store) change(h dedupe.Hold, how func(dedupe.Record, time.Duration, dedupe.Hold) (dedupe.Record, bool)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, there := s.records.Get(h.Key)
	if !there {
		return false
	}
	next, owned := how(*r, s.now(), h)
	s.set(r, next)
	return owned
}

// Holds tells whether a claim of key by somebody new would not be acquired:
// it is done, or in progress under a lease that is not over.
func (s *Store) Holds(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, there := s.records.Peek(key)
	return there && r.State != dedupe.Free && s.now() < r.Until
}

// Stats returns the counts of this moment.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Records, st.Active = s.records.Len(), s.active
	return st
}

func (s *Store) now() time.Duration { return time.Since(s.start) }

// set changes a record in place.
func (s *Store) set(r *dedupe.Record, next dedupe.Record) {
	if r.State == dedupe.InProgress {
		s.active--
	}
	if next.State == dedupe.InProgress {
		s.active++
	}
	*r = next
}

// record returns the record of a key, an empty one when it is new.
func (s *Store) record(key string, now time.Duration) (*dedupe.Record, error) {
	if r, there := s.records.Get(key); there {
		return r, nil
	}
	r := s.makeRoom(now)
	if r == nil {
		return nil, fmt.Errorf("%w: %d events are in progress in memory", dedupe.ErrUnavailable, s.active)
	}
	s.records.Add(key, r)
	return r, nil
}

// makeRoom returns an empty record for a new key: one of its own as long as
// there is room, else that of the key which was of use the longest time ago.
// It passes over events that are in progress, and returns nil when there are
// no others.
func (s *Store) makeRoom(now time.Duration) *dedupe.Record {
	if s.records.Len() < s.size {
		if len(s.unused) == 0 {
			s.unused = make([]dedupe.Record, min(chunk, s.size-s.records.Len()))
		}
		r := &s.unused[0]
		s.unused = s.unused[1:]
		return r
	}
	for range s.records.Len() {
		key, r, _ := s.records.RemoveOldest()
		if r.State == dedupe.InProgress && now < r.Until {
			s.records.Add(key, r) // as the newest
			continue
		}
		s.evicted(r, now)
		s.set(r, dedupe.Record{})
		return r
	}
	return nil
}

// evicted counts a record that is forgotten too early.
func (s *Store) evicted(r *dedupe.Record, now time.Duration) {
	end := r.Until
	if r.State == dedupe.InProgress {
		end += s.machine.Retention
	}
	if now >= end {
		return
	}
	age := max(s.machine.Retention-(end-now), 1)
	if s.stats.Evicted == 0 || age < s.stats.EvictedAge {
		s.stats.EvictedAge = age
	}
	s.stats.Evicted++
}

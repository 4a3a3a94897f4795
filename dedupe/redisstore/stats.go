package redisstore

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/dedupe/lru"
)

// Stats is a look at a Store. Counts are since New.
type Stats struct {
	// Up is false while Redis is being left alone after failures.
	Up bool
	// Errors counts operations for which Redis could not be used.
	Errors uint64
	// Outages counts how often Up became false.
	Outages uint64
	// Fallbacks counts claims that were decided in memory for that reason.
	Fallbacks uint64
	// LocalHits counts claims of events that this process had finished or was
	// running with the store in memory, and that needed no round trip.
	LocalHits uint64
	// CommitsKept counts events whose done could not be written to Redis at
	// once. Unsent tells how many of them still wait for Redis to come back.
	CommitsKept uint64
	Unsent      int
	// Vanished counts records that Redis no longer had when their event was
	// finished: wiped, evicted, or lost in a failover.
	Vanished uint64
	// Changed counts claims whose payload was not the one of the record.
	Changed uint64
	// Local is the store in memory.
	Local lru.Stats
}

type counts struct {
	errors, outages, fallbacks, localHits, commitsKept, vanished, changed atomic.Uint64
}

// Stats returns the counts of this moment.
func (s *Store) Stats() Stats {
	return Stats{
		Up:          s.guard.up.Load(),
		Errors:      s.counts.errors.Load(),
		Outages:     s.counts.outages.Load(),
		Fallbacks:   s.counts.fallbacks.Load(),
		LocalHits:   s.counts.localHits.Load(),
		CommitsKept: s.counts.commitsKept.Load(),
		Unsent:      s.unsent.len(),
		Vanished:    s.counts.vanished.Load(),
		Changed:     s.counts.changed.Load(),
		Local:       s.local.Stats(),
	}
}

// maxUnsent bounds what waits for Redis to come back. The rest is still known
// to the store in memory.
const maxUnsent = 1024

// unsent are the commits that Redis has not seen.
type unsent struct {
	mu   sync.Mutex
	list []commit
}

type commit struct {
	hold   dedupe.Hold
	result dedupe.Result
}

func (u *unsent) add(h dedupe.Hold, r dedupe.Result) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.list) < maxUnsent {
		u.list = append(u.list, commit{h, r})
	}
}

func (u *unsent) take() []commit {
	u.mu.Lock()
	defer u.mu.Unlock()
	list := u.list
	u.list = nil
	return list
}

func (u *unsent) len() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.list)
}

// sendUnsent writes to Redis what was finished without it.
func (s *Store) sendUnsent() {
	list := s.unsent.take()
	r, _ := s.remote(background) // nil when Redis is gone again
	for batch := range slices.Chunk(list, maxPipeline) {
		var wg sync.WaitGroup
		for _, c := range batch {
			wg.Go(func() {
				if r != nil {
					if _, _, err := r.commit(s.name(c.hold.Key), c.hold, c.result); err == nil {
						return
					}
				}
				s.unsent.add(c.hold, c.result)
			})
		}
		wg.Wait()
	}
}

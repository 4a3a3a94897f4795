package redisstore

import (
	"sync/atomic"

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

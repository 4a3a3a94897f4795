package history

import (
	"slices"
	"sync"
	"time"
)

// Log collects entries in the order in which they were recorded. The zero Log
// is ready; it may be used from any goroutine.
type Log struct {
	mu      sync.Mutex
	entries []Entry
}

// Record appends e, with the time of now and the next number. In a synctest
// bubble that is the bubble's time.
func (l *Log) Record(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Time, e.Seq = time.Now(), len(l.entries)
	l.entries = append(l.entries, e)
}

// Entries returns a copy of what was recorded so far.
func (l *Log) Entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries)
}

// Around returns the entries that help to understand a violation: those of its
// event and, from the first of these to the last, those that concern all.
func Around(entries []Entry, v Violation) []Entry {
	if v.Event == "" {
		return entries[max(v.Seq-20, 0):min(v.Seq+5, len(entries))]
	}
	first, last := -1, -1
	for i, e := range entries {
		if e.Event == v.Event {
			last = i
			if first < 0 {
				first = i
			}
		}
	}
	var around []Entry
	for i, e := range entries {
		if e.Event == v.Event || e.Event == "" && i > first && i < last {
			around = append(around, e)
		}
	}
	return around
}

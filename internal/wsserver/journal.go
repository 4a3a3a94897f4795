package wsserver

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Journal is the history of a stand-in, in records of type R, with those who
// wait for it to go on. The stand-in adds a record after each change, and
// holds mu for the change and the record together.
type Journal[R any] struct {
	host    *Host
	mu      *sync.Mutex
	see     func(R)
	seq     int
	kept    Recent[R]
	waiters []*waiter[R]
}

// waiter is a goroutine that waits for a state of the stand-in.
type waiter[R any] struct {
	ready func(R) bool // called with mu held, after each change
	done  chan struct{}
}

// NewJournal returns an empty journal that keeps the newest limit records. see,
// when not nil, is called with each of them, with mu held.
func NewJournal[R any](host *Host, mu *sync.Mutex, limit int, see func(R)) *Journal[R] {
	return &Journal[R]{host: host, mu: mu, see: see, kept: Recent[R]{Limit: limit}}
}

// Next returns the number, from 1, and the time of the next record. Without
// anybody who could read the record the time is zero, since it costs the most.
// The caller holds mu.
func (j *Journal[R]) Next() (seq int, at time.Time) {
	j.seq++
	if j.kept.Limit > 0 || j.see != nil || len(j.waiters) > 0 {
		at = time.Now()
	}
	return j.seq, at
}

// Add adds a record and wakes those whose state is reached. The caller holds mu.
func (j *Journal[R]) Add(r R) {
	if j.kept.Limit > 0 {
		j.kept.Add(r)
	}
	if j.see != nil {
		j.see(r)
	}
	if len(j.waiters) == 0 {
		return
	}
	j.waiters = slices.DeleteFunc(j.waiters, func(w *waiter[R]) bool {
		if !w.ready(r) {
			return false
		}
		close(w.done)
		return true
	})
}

// History returns the newest records.
func (j *Journal[R]) History() []R {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.kept.All()
}

// Wait waits until reached, which is called with mu held: at once, and after
// each change. missing tells, with mu held, what was still waited for when ctx
// ended or the host was closed; the error wraps ctx's cause or the host's error.
func (j *Journal[R]) Wait(ctx context.Context, reached func() bool, missing func() string) error {
	return j.wait(ctx, reached, func(R) bool { return reached() }, missing)
}

// First waits for the first record for which match, called with mu held, is
// true; one that is kept already counts.
func (j *Journal[R]) First(ctx context.Context, match func(R) bool) (found R, err error) {
	inPast := func() bool {
		past := j.kept.All()
		i := slices.IndexFunc(past, match)
		if i >= 0 {
			found = past[i]
		}
		return i >= 0
	}
	inFuture := func(r R) bool {
		if !match(r) {
			return false
		}
		found = r
		return true
	}
	err = j.wait(ctx, inPast, inFuture, func() string { return "no record matches" })
	return found, err
}

func (j *Journal[R]) wait(ctx context.Context, now func() bool, then func(R) bool, missing func() string) error {
	j.mu.Lock()
	if now() {
		j.mu.Unlock()
		return nil
	}
	w := &waiter[R]{then, make(chan struct{})}
	j.waiters = append(j.waiters, w)
	j.mu.Unlock()

	err := j.host.over
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-j.host.closed:
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	select {
	case <-w.done: // reached at the same moment
		return nil
	default:
	}
	j.waiters = slices.DeleteFunc(j.waiters, func(other *waiter[R]) bool { return other == w })
	return fmt.Errorf("%s: %s: %w", j.host.name, missing(), err)
}

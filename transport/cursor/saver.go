package cursor

import (
	"context"
	"fmt"
	"log/slog"
	"math/bits"
	"sync"
	"time"
)

// DefaultInterval is the least time between two saves of a Saver unless
// NewSaver is told otherwise. It is also how much a crash may repeat at most
// beside what was not settled.
const DefaultInterval = time.Second

const (
	// saveLimit bounds one save in the background.
	saveLimit = 10 * time.Second
	// longestPause is how long a store that fails is left alone at most,
	// unless the interval is longer.
	longestPause = 30 * time.Second
)

// Saver saves the newest position of one name in the background: at once when
// the last save is an interval ago, else at the end of the interval, so that
// there is at most one save in each. Saves come one after the other, and in
// the order of Advance: none goes back behind one that was made before it.
//
// A save that fails is tried again with the position that is the newest then,
// after pauses that double from the interval up to 30 s, and is logged at the
// 1st, 2nd, 4th, 8th failure in a row and so on. Since a save that failed may
// still reach the store, late, the first one that succeeds is repeated.
//
// Create it with NewSaver and end it with Close. Its methods may be called
// concurrently.
type Saver struct {
	store    Store
	name     string
	interval time.Duration
	log      *slog.Logger

	wake  chan struct{} // holds a token while there may be something to save
	turn  chan struct{} // who holds its one slot saves
	life  context.Context
	end   context.CancelFunc
	ended chan struct{} // closed when the goroutine has ended

	mu       sync.Mutex
	newest   string
	saved    string
	began    time.Time // the last save; zero when there was none
	failures uint64    // in a row
	closed   bool
	stats    SaverStats
}

// SaverStats says what became of the saves of a Saver.
type SaverStats struct {
	// Saves and Failures count the tries that the store took and those that it
	// did not.
	Saves, Failures uint64
	// Unsaved tells that there is a position that is not saved yet.
	Unsaved bool
	// Position is the one that was saved last; "" when none was.
	Position string
}

// NewSaver returns a Saver of name in store. The interval is DefaultInterval
// when it is not positive; a nil log is slog.Default().
func NewSaver(store Store, name string, interval time.Duration, log *slog.Logger) *Saver {
	if interval <= 0 {
		interval = DefaultInterval
	}
	if log == nil {
		log = slog.Default()
	}
	s := &Saver{
		store: store, name: name, interval: interval, log: log,
		wake: make(chan struct{}, 1), turn: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	s.life, s.end = context.WithCancel(context.Background())
	go s.run()
	return s
}

// Advance has position saved, in the place of those that are not saved yet.
// It never blocks. The empty position, and all after Close, are ignored.
func (s *Saver) Advance(position string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if position == "" || s.closed || position == s.newest {
		return
	}
	s.newest = position
	s.stats.Unsaved = true
	s.call()
}

// call wakes the goroutine.
func (s *Saver) call() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Stats returns the counts up to now.
func (s *Saver) Stats() SaverStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Flush saves now what is not saved yet, whatever the interval and the pauses
// after failures, and returns why it could not, or why ctx ended.
func (s *Saver) Flush(ctx context.Context) error {
	if err := s.save(ctx); err != nil {
		return fmt.Errorf("cursor: the position of %q is not saved: %w", s.name, err)
	}
	return nil
}

// Close saves what is not saved yet, as Flush does, and ends the goroutine,
// also when that fails. Closing again tries again.
func (s *Saver) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	err := s.Flush(ctx)
	s.end()
	// A save that is under way ends with s.life; a store that does not heed
	// its context is not waited for any longer than ctx allows.
	select {
	case <-s.ended:
	case <-ctx.Done():
	}
	return err
}

func (s *Saver) run() {
	defer close(s.ended)
	for {
		select {
		case <-s.wake:
		case <-s.life.Done():
			return
		}
		if !s.rest() {
			return
		}
		ctx, cancel := context.WithTimeout(s.life, saveLimit)
		if s.save(ctx) != nil {
			s.call()
		}
		cancel()
	}
}

// rest waits until the next save may begin, also when a Flush comes in
// between, and tells whether the Saver goes on.
func (s *Saver) rest() bool {
	for d := s.pause(); d > 0; d = s.pause() {
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-s.life.Done():
			timer.Stop()
			return false
		}
	}
	return s.life.Err() == nil
}

// pause returns how long the next save has to wait.
func (s *Saver) pause() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began.IsZero() {
		return 0
	}
	gap := s.interval
	for n := s.failures; n > 1 && gap < longestPause; n-- {
		gap = min(2*gap, longestPause)
	}
	return time.Until(s.began.Add(gap))
}

// save saves the newest position unless it is saved.
func (s *Saver) save(ctx context.Context) error {
	if !s.Stats().Unsaved {
		return nil
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s.mu.Lock()
	position, again := s.newest, s.failures > 0
	if position == s.saved {
		s.mu.Unlock()
		return nil
	}
	s.began = time.Now()
	s.mu.Unlock()

	err := s.store.Save(ctx, s.name, position)
	if err == nil && again {
		err = s.store.Save(ctx, s.name, position)
	}
	s.note(position, err)
	return err
}

// note writes down how a save went.
func (s *Saver) note(position string, err error) {
	s.mu.Lock()
	failures := s.failures
	if err == nil {
		s.saved, s.failures = position, 0
		s.stats.Saves++
		s.stats.Position, s.stats.Unsaved = position, s.newest != position
	} else {
		s.failures++
		s.stats.Failures++
	}
	s.mu.Unlock()
	switch {
	case err == nil && failures > 0:
		s.log.Info("cursor: the position is saved again", slog.String("cursor", s.name), slog.Uint64("failures", failures))
	case err != nil && telling(failures+1):
		s.log.Warn("cursor: the position cannot be saved; a restart would repeat events",
			slog.String("cursor", s.name), slog.Uint64("failures", failures+1), slog.Any("err", err))
	}
}

// telling picks the 1st, 2nd, 4th, 8th... of failures in a row, so that a
// long outage does not flood the log.
func telling(n uint64) bool { return bits.OnesCount64(n) == 1 }

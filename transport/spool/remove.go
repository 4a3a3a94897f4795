package spool

import (
	"context"
	"errors"
	"fmt"
)

// ErrNotWaiting is the error of Remove for an event that is handed out, or
// about to be, or gone.
var ErrNotWaiting = errors.New("spool: the event is handed out, or gone")

// Remove takes an event that waits out of the backlog, its pause over or not,
// and returns once that is on disk. r is one of s.Records.
//
// Its error is ErrNotWaiting, also for a Record from elsewhere; ErrClosed; an
// *eds.ConfigError when the file turned out to be damaged; or it says that the
// removal is not on disk, or not before ctx ended: then the Spool goes on
// trying, and the event is handed out no more.
func (s *Spool) Remove(ctx context.Context, r Record) error {
	b, err := s.drop(r)
	if err != nil {
		return err
	}
	select {
	case <-b.done:
		if b.err != nil {
			return s.failed("remove an event from", b.err)
		}
		return nil
	case <-ctx.Done():
		return s.failed("remove an event from", context.Cause(ctx))
	}
}

// drop returns what the removal is written with.
func (s *Spool) drop(r Record) (*batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, ErrClosed
	case s.damaged != nil:
		return nil, s.damaged
	case r.db != s.db || !s.index.drop(r.seq):
		return nil, fmt.Errorf("%w: %q", ErrNotWaiting, r.Event.ID)
	}
	s.next.gone = append(s.next.gone, r.seq)
	delete(s.next.states, r.seq)
	s.hurry()
	s.thereIsRoom()
	return s.next, nil
}

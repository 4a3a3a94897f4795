package pulsartest

import (
	"context"
	"fmt"
	"slices"
)

// waiter is a goroutine that waits for a state of the server.
type waiter struct {
	ready func(Record) bool // called with mu held, after each change
	done  chan struct{}
}

// notify wakes those whose state is reached. The caller holds mu.
func (s *Server) notify(r Record) {
	if len(s.waiters) == 0 {
		return
	}
	s.waiters = slices.DeleteFunc(s.waiters, func(w *waiter) bool {
		if !w.ready(r) {
			return false
		}
		close(w.done)
		return true
	})
}

// wait blocks until ready, which is called with mu held: once at first, with a
// zero Record, and after each change. missing tells, with mu held, what was
// still waited for when ctx ended.
func (s *Server) wait(ctx context.Context, ready func(Record) bool, missing func() string) error {
	s.mu.Lock()
	if ready(Record{}) {
		s.mu.Unlock()
		return nil
	}
	w := &waiter{ready, make(chan struct{})}
	s.waiters = append(s.waiters, w)
	s.mu.Unlock()

	err := ErrClosed
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-s.closed:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-w.done: // reached at the same moment
		return nil
	default:
	}
	s.waiters = slices.DeleteFunc(s.waiters, func(other *waiter) bool { return other == w })
	return fmt.Errorf("pulsartest: %s: %w", missing(), err)
}

// WaitAcked waits until the subscription has acknowledged each of the messages.
// The error, when ctx ends first, wraps ctx's cause and names the first message
// that is missing.
func (s *Server) WaitAcked(ctx context.Context, topic, subscription string, ids ...string) error {
	full, err := fullName(topic)
	if err != nil {
		return err
	}
	rest := slices.Clone(ids)
	return s.wait(ctx, func(Record) bool {
		for len(rest) > 0 {
			if !s.isAcked(full, subscription, rest[0]) {
				return false
			}
			rest = rest[1:]
		}
		return true
	}, func() string {
		return fmt.Sprintf("message %q is not acknowledged on %s of %s", rest[0], subscription, full)
	})
}

func (s *Server) isAcked(topic, subscription, id string) bool {
	for _, t := range s.leaves(topic) {
		if m := t.find(id); m != nil {
			sub := t.subs[subscription]
			return sub != nil && sub.isAcked(m.entry)
		}
	}
	return false
}

// WaitIdle waits until the subscription has acknowledged all that its topic
// has. A subscription that does not exist is idle.
func (s *Server) WaitIdle(ctx context.Context, topic, subscription string) error {
	full, err := fullName(topic)
	if err != nil {
		return err
	}
	return s.wait(ctx, func(Record) bool { return s.backlog(full, subscription) == 0 }, func() string {
		return fmt.Sprintf("%d messages are not acknowledged on %s of %s", s.backlog(full, subscription), subscription, full)
	})
}

func (s *Server) backlog(topic, subscription string) (n int) {
	for _, t := range s.leaves(topic) {
		if sub := t.subs[subscription]; sub != nil {
			n += sub.backlog()
		}
	}
	return n
}

// WaitConnected waits until n connections are live, of any kind and topic.
func (s *Server) WaitConnected(ctx context.Context, n int) error {
	return s.wait(ctx, func(Record) bool { return len(s.sessions) == n }, func() string {
		return fmt.Sprintf("%d connections are live, not %d", len(s.sessions), n)
	})
}

// WaitRecord waits for the first record for which match returns true, and
// returns it; one that is in the history already counts. match is called with
// the server's lock held: it must be quick and must not call the server.
func (s *Server) WaitRecord(ctx context.Context, match func(Record) bool) (Record, error) {
	var found Record
	err := s.wait(ctx, func(r Record) bool {
		if r.Seq == 0 {
			all := s.history.all()
			i := slices.IndexFunc(all, match)
			if i >= 0 {
				found = all[i]
			}
			return i >= 0
		}
		if match(r) {
			found = r
			return true
		}
		return false
	}, func() string { return "no record matches" })
	return found, err
}

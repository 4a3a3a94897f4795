package pulsartest

import (
	"context"
	"fmt"
	"slices"
)

// WaitAcked waits until the subscription has acknowledged each of the messages.
// The error, when ctx ends first, wraps ctx's cause and names the first message
// that is missing.
func (s *Server) WaitAcked(ctx context.Context, topic, subscription string, ids ...string) error {
	full, err := fullName(topic)
	if err != nil {
		return err
	}
	rest := slices.Clone(ids)
	return s.journal.Wait(ctx, func() bool {
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
	return s.journal.Wait(ctx, func() bool { return s.backlog(full, subscription) == 0 }, func() string {
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
	return s.journal.Wait(ctx, func() bool { return len(s.sessions) == n }, func() string {
		return fmt.Sprintf("%d connections are live, not %d", len(s.sessions), n)
	})
}

// WaitRecord waits for the first record for which match returns true, and
// returns it; one that is in the history already counts. match is called with
// the server's lock held: it must be quick and must not call the server.
func (s *Server) WaitRecord(ctx context.Context, match func(Record) bool) (Record, error) {
	return s.journal.First(ctx, match)
}

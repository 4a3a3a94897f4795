package edstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// ErrClosed is returned by whoever waits for a server that was closed, and by
// DialContext then.
var ErrClosed = errors.New("edstest: server closed")

// WaitAcked waits until each of the events was published, and acknowledged as
// often as it was published. The error, when ctx ends first, wraps ctx's cause
// and names the first event that is missing.
func (s *Server) WaitAcked(ctx context.Context, ids ...string) error {
	rest := slices.Clone(ids)
	return s.journal.Wait(ctx, func() bool {
		for len(rest) > 0 {
			if e := s.events[rest[0]]; e == nil || e.open > 0 {
				return false
			}
			rest = rest[1:]
		}
		return true
	}, func() string {
		deliveries := 0
		if e := s.events[rest[0]]; e != nil {
			deliveries = e.delivered
		}
		return fmt.Sprintf("event %q, delivered %d times, is not acknowledged", rest[0], deliveries)
	})
}

// WaitDelivered waits until the event was delivered n times, redeliveries
// included.
func (s *Server) WaitDelivered(ctx context.Context, id string, n int) error {
	delivered := func() int {
		if e := s.events[id]; e != nil {
			return e.delivered
		}
		return 0
	}
	return s.journal.Wait(ctx, func() bool { return delivered() >= n }, func() string {
		return fmt.Sprintf("event %q was delivered %d times, not %d", id, delivered(), n)
	})
}

// WaitIdle waits until every queue is empty: all that was published is
// acknowledged.
func (s *Server) WaitIdle(ctx context.Context) error {
	open := func() (n int) {
		for _, q := range s.queues {
			n += q.waiting + q.inFlight
		}
		return n
	}
	return s.journal.Wait(ctx, func() bool { return open() == 0 }, func() string {
		return fmt.Sprintf("%d events are not acknowledged", open())
	})
}

// WaitConnected waits until each of the queues has a live connection; without
// names, until every queue has.
func (s *Server) WaitConnected(ctx context.Context, queues ...string) error {
	return s.waitConnections(ctx, queues, true)
}

// WaitDisconnected waits until none of the queues has a live connection;
// without names, until no queue has.
func (s *Server) WaitDisconnected(ctx context.Context, queues ...string) error {
	return s.waitConnections(ctx, queues, false)
}

func (s *Server) waitConnections(ctx context.Context, names []string, want bool) error {
	queues := make([]*queue, 0, len(s.queues))
	for _, name := range names {
		q, err := s.find(name)
		if err != nil {
			return err
		}
		queues = append(queues, q)
	}
	if len(names) == 0 {
		for _, name := range s.names {
			queues = append(queues, s.queues[name])
		}
	}
	wrong := func(q *queue) bool { return (q.live() != nil) != want }
	return s.journal.Wait(ctx, func() bool { return !slices.ContainsFunc(queues, wrong) }, func() string {
		q := queues[slices.IndexFunc(queues, wrong)]
		return fmt.Sprintf("queue %q: connected is %t, not %t", q.name, !want, want)
	})
}

// WaitRecord waits for the first record for which match returns true, and
// returns it; one that is in the history already counts. match is called with
// the server's lock held: it must be quick and must not call the server.
func (s *Server) WaitRecord(ctx context.Context, match func(Record) bool) (Record, error) {
	return s.journal.First(ctx, match)
}

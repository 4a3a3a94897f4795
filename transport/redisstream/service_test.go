package redisstream_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// service delivers events to a publisher as EDS does: each again until it is
// acknowledged. It knows which were, and so what must not be lost.
type service struct {
	prefix string
	wg     sync.WaitGroup
	stop   context.CancelFunc

	mu     sync.Mutex
	acked  map[string]bool
	failed []error // of the tries
}

// deliver begins to deliver PREFIX0, PREFIX1 and so on, n in all, several at a
// time.
func deliver(tb testing.TB, pub *redisstream.Publisher, prefix string, n int) *service {
	tb.Helper()
	const lanes = 8
	ctx, stop := context.WithCancel(tb.Context())
	s := &service{prefix: prefix, stop: stop, acked: map[string]bool{}}
	for lane := range lanes {
		s.wg.Go(func() {
			for i := lane; i < n && ctx.Err() == nil; i += lanes {
				s.deliver(ctx, pub, fmt.Sprint(prefix, i))
			}
		})
	}
	tb.Cleanup(s.end)
	return s
}

func (s *service) deliver(ctx context.Context, pub *redisstream.Publisher, id string) {
	for ctx.Err() == nil {
		err := pub.Handle(ctx, event(id))
		s.mu.Lock()
		if err == nil {
			s.acked[id] = true
			s.mu.Unlock()
			return
		}
		s.failed = append(s.failed, err)
		s.mu.Unlock()
		// real time: a service does not deliver again at once
		time.Sleep(10 * time.Millisecond)
	}
}

// end stops delivering what is not acknowledged.
func (s *service) end() {
	s.stop()
	s.wg.Wait()
}

// wait waits until all was acknowledged.
func (s *service) wait() { s.wg.Wait() }

func (s *service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.acked)
}

// tries returns the errors of the publisher so far.
func (s *service) tries() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]error(nil), s.failed...)
}

// onlyRedelivered makes sure that the publisher has left to the service what
// it could not append, and has failed at all.
func (s *service) onlyRedelivered(tb testing.TB) {
	tb.Helper()
	tries := s.tries()
	if len(tries) == 0 {
		tb.Error("the publisher has not failed: the test shows nothing")
	}
	for _, err := range tries {
		if eds.OutcomeOf(err) != eds.Redelivered {
			tb.Errorf("Handle: %v, want it to be left for redelivery", err)
			return
		}
	}
}

// told waits until the publisher has failed for this reason, and makes sure
// that it leaves what it could not append to the service.
func (s *service) told(tb testing.TB, reason string) {
	tb.Helper()
	await(tb, "the publisher to be told "+reason, func() bool {
		return slices.ContainsFunc(s.tries(), func(err error) bool { return strings.Contains(err.Error(), reason) })
	})
	s.onlyRedelivered(tb)
}

// missing are the acknowledged events that are not among these.
func (s *service) missing(there map[string]int) (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.acked {
		if there[id] == 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// entries counts the entries of each event in the stream.
func entries(tb testing.TB, client redis.UniversalClient) map[string]int {
	tb.Helper()
	all, err := client.XRange(context.Background(), stream, "-", "+").Result()
	if err != nil {
		tb.Fatal(err)
	}
	there := map[string]int{}
	for _, m := range all {
		id, _ := m.Values["id"].(string)
		there[id]++
	}
	return there
}

// handledAll waits until every event was delivered, and what was acknowledged
// handled, and tells what was not.
func (c *counter) handledAll(tb testing.TB, services ...*service) {
	tb.Helper()
	for _, s := range services {
		s.wait()
	}
	var missing []string
	// real time: workers tell nobody that they have done all
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		missing = missing[:0]
		c.mu.Lock()
		for _, s := range services {
			missing = append(missing, s.missing(c.byEvent)...)
		}
		c.mu.Unlock()
		if len(missing) == 0 {
			return
		}
	}
	tb.Errorf("LOST: %d events were acknowledged to the service and never handled, such as %s", len(missing), missing[0])
}

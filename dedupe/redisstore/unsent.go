package redisstore

import (
	"slices"
	"sync"

	"github.com/eventdelivery/eds-go/dedupe"
)

// maxUnsent bounds what waits for Redis to come back. The rest is still known
// to the store in memory.
const maxUnsent = 1024

// unsent are the commits that Redis has not seen.
type unsent struct {
	mu      sync.Mutex
	list    []commit
	sending int // taken off the list, and not known to have arrived
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
	u.sending += len(list)
	return list
}

// sent ends the sending of one that take returned.
func (u *unsent) sent() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sending--
}

func (u *unsent) len() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.list) + u.sending
}

// sendUnsent writes to Redis what was finished without it.
func (s *Store) sendUnsent() {
	list := s.unsent.take()
	r, _ := s.remote(background) // nil when Redis is gone again
	for batch := range slices.Chunk(list, maxPipeline) {
		var wg sync.WaitGroup
		for _, c := range batch {
			wg.Go(func() {
				defer s.unsent.sent()
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

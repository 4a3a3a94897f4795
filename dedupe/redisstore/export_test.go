package redisstore

import (
	"fmt"

	"github.com/eventdelivery/eds-go/dedupe"
)

// WithoutSetNXGet has the store take the server for one that is older than
// Redis 7.0.
func WithoutSetNXGet() Option { return func(s *settings) { s.noSetNXGet = true } }

// Queued tells how many commands wait for the next pipeline.
func (s *Store) Queued() int {
	s.pipe.mu.Lock()
	defer s.pipe.mu.Unlock()
	return len(s.pipe.queue)
}

// Parse reads a record and writes it again.
func Parse(v string) (again string, err error) {
	r, err := parse("key", v)
	if err != nil {
		return "", err
	}
	return r.String(), nil
}

func (r record) String() string {
	payload := string(appendPayload(nil, r.payload))
	switch r.state {
	case dedupe.InProgress:
		return fmt.Sprintf("1P:%s:%d:%d:%d:%s", r.token, r.attempt, r.abandoned, r.keep.Milliseconds(), payload)
	case dedupe.Free:
		return fmt.Sprintf("1F:%d:%d:%s", r.attempt, r.abandoned, payload)
	default:
		return fmt.Sprintf("1D:%d:%s", r.result, payload)
	}
}

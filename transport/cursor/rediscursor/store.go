package rediscursor

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/rediscall"
	"github.com/eventdelivery/eds-go/transport/cursor"
)

// Store is a cursor.Store in Redis. Create it with New. It needs no closing;
// the client stays the caller's, who closes it after the last use of the
// Store. It holds a few bytes for each name that was saved.
type Store struct {
	settings
	client redis.UniversalClient

	mu    sync.Mutex
	turns map[string]chan struct{} // by name: who holds the one slot saves
}

var _ cursor.Store = (*Store)(nil)

// New returns a Store that keeps its keys in the Redis of client: any of
// *redis.Client, *redis.ClusterClient or a failover client. It does not
// connect. Its error is an *eds.ConfigError.
//
// Do not give it a client that reads from replicas: one that lags may not know
// a position yet, and the reader would start anew.
func New(client redis.UniversalClient, opts ...Option) (*Store, error) {
	s := &Store{
		settings: settings{prefix: DefaultPrefix, budget: DefaultBudget},
		client:   client, turns: make(map[string]chan struct{}),
	}
	for _, o := range opts {
		if o != nil {
			o(&s.settings)
		}
	}
	if client == nil {
		return nil, &eds.ConfigError{Setting: "rediscursor client", Value: "nil", Reason: "must not be nil"}
	}
	if err := s.validate(); err != nil {
		return nil, err
	}
	return s, nil
}

// Load implements cursor.Store. A key that holds something else than a string,
// or an empty one, is an *eds.ConfigError.
func (s *Store) Load(ctx context.Context, name string) (string, error) {
	position, err := rediscall.Within(ctx, s.budget, func(ctx context.Context) (string, error) {
		return s.client.Get(ctx, s.prefix+name).Result()
	})
	switch {
	case errors.Is(err, redis.Nil):
		return "", nil
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		return "", s.foreign(name, "is not a string")
	case err != nil:
		return "", s.failed("load", name, err)
	case position == "":
		return "", s.foreign(name, "is empty")
	}
	return position, nil
}

// Save implements cursor.Store.
func (s *Store) Save(ctx context.Context, name, position string) error {
	if position == "" {
		return s.failed("save", name, cursor.ErrEmpty)
	}
	turn := s.turn(name)
	_, err := rediscall.Within(ctx, s.budget, func(ctx context.Context) (struct{}, error) {
		// One that was given up may still be on its way in the client. It must
		// not overtake this one and put the older position back.
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-ctx.Done():
			return struct{}{}, ctx.Err()
		}
		return struct{}{}, s.client.Set(ctx, s.prefix+name, position, 0).Err()
	})
	if err != nil {
		return s.failed("save", name, err)
	}
	return nil
}

func (s *Store) turn(name string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	turn, ok := s.turns[name]
	if !ok {
		turn = make(chan struct{}, 1)
		s.turns[name] = turn
	}
	return turn
}

func (s *Store) foreign(name, reason string) error {
	return &eds.ConfigError{Setting: "cursor key", Value: s.prefix + name, Reason: reason}
}

func (s *Store) failed(what, name string, err error) error {
	return fmt.Errorf("rediscursor: %s %q: %w", what, name, rediscall.Discreet(err))
}

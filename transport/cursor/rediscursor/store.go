package rediscursor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
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
	position, err := within(ctx, s.budget, func(ctx context.Context) (string, error) {
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
	_, err := within(ctx, s.budget, func(ctx context.Context) (struct{}, error) {
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

// within runs f, whose client may not heed its context, for at most d, and
// not when ctx has ended before. What f does after that is its own business,
// which the client's time-outs end.
func within[T any](ctx context.Context, d time.Duration, f func(context.Context) (T, error)) (T, error) {
	var none T
	if ctx.Err() != nil {
		return none, context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, d, fmt.Errorf("no answer within %v: %w", d, context.DeadlineExceeded))
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		defer cancel()
		value, err := f(ctx)
		answers <- answer{value, err}
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		// The two may come at once.
		select {
		case a := <-answers:
			return a.value, a.err
		default:
			return none, context.Cause(ctx)
		}
	}
}

func (s *Store) foreign(name, reason string) error {
	return &eds.ConfigError{Setting: "cursor key", Value: s.prefix + name, Reason: reason}
}

func (s *Store) failed(what, name string, err error) error {
	return fmt.Errorf("rediscursor: %s %q: %w", what, name, discreet(err))
}

// discreet hides what an error of a server repeats of the command: of an AUTH
// or HELLO that it does not know, that is the password.
func discreet(err error) error {
	if text, _, found := strings.Cut(err.Error(), ", with args beginning with"); found {
		return &shortened{text: text, err: err}
	}
	return err
}

// shortened is an error with another text.
type shortened struct {
	text string
	err  error
}

func (e *shortened) Error() string { return e.text }
func (e *shortened) Unwrap() error { return e.err }

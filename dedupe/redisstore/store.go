package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/dedupe/lru"
	"github.com/eventdelivery/eds-go/eds"
)

// Store is a dedupe.Store in Redis, with a store in memory beside it. Create
// it with New. It needs no closing; the client stays the caller's, who closes
// it after the last use of the Store.
type Store struct {
	settings
	client redis.UniversalClient
	pipe   *pipeline
	guard  *guard
	local  *lru.Store // what this process finished, and the fallback

	can   atomic.Pointer[remote] // nil until the server was asked
	canMu sync.Mutex

	counts counts
	unsent unsent
}

var _ dedupe.Store = (*Store)(nil)

// New returns a Store that keeps its records in the Redis of client: any of
// *redis.Client, *redis.ClusterClient or a failover client. It does not
// connect; what the server can do is found out at the first claim. Its error
// is an *eds.ConfigError.
//
// Where events come one after another, a client that was made with
// ContextTimeoutEnabled takes about half the time: the store need not guard
// against it being stuck for longer than Budget.
func New(client redis.UniversalClient, opts ...Option) (*Store, error) {
	s := &Store{settings: defaults(), client: client}
	for _, o := range opts {
		if o != nil {
			o(&s.settings)
		}
	}
	if client == nil {
		return nil, &eds.ConfigError{Setting: "redisstore client", Value: "nil", Reason: "must not be nil"}
	}
	if err := s.validate(); err != nil {
		return nil, err
	}
	local, err := lru.New(lru.Size(s.settings.local), lru.Retention(s.retention))
	if err != nil {
		return nil, err
	}
	s.local = local
	s.guard = newGuard(s.changed)
	s.pipe = &pipeline{client: client, budget: s.budget, guard: s.guard, heeds: heedsContext(client)}
	return s, nil
}

// Claim implements dedupe.Store.
func (s *Store) Claim(ctx context.Context, h dedupe.Hold) (dedupe.Claim, error) {
	if err := ctx.Err(); err != nil {
		return dedupe.Claim{}, err
	}
	if !s.guard.up.Load() {
		s.guard.probe(s.revive)
	}
	// What this process knows for certain needs no question: that it has
	// finished the event, or runs it with the local store. Nothing else is
	// ever answered from memory.
	if s.local.Holds(h.Key) {
		s.counts.localHits.Add(1)
		return s.local.Claim(ctx, h)
	}
	c, err := s.ask(ctx, h)
	if err == nil {
		if c.Changed {
			s.counts.changed.Add(1)
		}
		return c, nil
	}
	s.counts.errors.Add(1)
	if s.closed {
		return dedupe.Claim{}, err
	}
	s.counts.fallbacks.Add(1)
	return s.local.Claim(ctx, h)
}

func (s *Store) ask(ctx context.Context, h dedupe.Hold) (dedupe.Claim, error) {
	r, err := s.remote(ctx)
	if err != nil {
		return dedupe.Claim{}, err
	}
	return r.claim(s.name(h.Key), h)
}

// Commit implements dedupe.Store. When Redis cannot be told for as long as
// Budget, it returns an error, and the event is kept as done in this process
// and written to Redis when that is back.
func (s *Store) Commit(ctx context.Context, h dedupe.Hold, result dedupe.Result) (bool, error) {
	owned, err := s.tell(ctx, h, result)
	// Known here only now, so that nobody in this process sees done while the
	// others do not; and before further tries, so that this process does.
	local, full := s.local.Commit(ctx, h, result)
	if err == nil {
		return owned || local, nil
	}
	deadline := time.Now().Add(s.budget)
	for pause := 10 * time.Millisecond; s.guard.up.Load() && !foreign(err) && time.Until(deadline) > pause; pause *= 2 {
		time.Sleep(pause) //nolint:forbidigo // the event is done, whatever became of ctx; Budget bounds it
		if owned, err = s.tell(ctx, h, result); err == nil {
			return owned || local, nil
		}
	}
	s.counts.commitsKept.Add(1)
	if !foreign(err) {
		s.unsent.add(h, result)
	}
	if local && !s.closed {
		return true, nil // claimed there, done there
	}
	return local, errors.Join(err, full)
}

func (s *Store) tell(ctx context.Context, h dedupe.Hold, result dedupe.Result) (bool, error) {
	r, err := s.remote(ctx)
	if err != nil {
		return false, err
	}
	owned, known, err := r.commit(s.name(h.Key), h, result)
	switch {
	case err != nil:
		s.counts.errors.Add(1)
	case !known:
		s.counts.vanished.Add(1)
	}
	return owned, err
}

// Release implements dedupe.Store.
func (s *Store) Release(ctx context.Context, h dedupe.Hold) (bool, error) {
	local, _ := s.local.Release(ctx, h)
	r, err := s.remote(ctx)
	if err == nil {
		var owned bool
		if owned, err = r.release(s.name(h.Key), h); err == nil {
			return owned || local, nil
		}
	}
	s.counts.errors.Add(1)
	if local {
		return true, nil
	}
	return false, err
}

// Renew implements dedupe.Store. While Redis cannot be asked the lease counts
// as held, except with FailClosed.
func (s *Store) Renew(ctx context.Context, h dedupe.Hold) (bool, error) {
	if local, _ := s.local.Renew(ctx, h); local {
		return true, nil
	}
	r, err := s.remote(ctx)
	if err == nil {
		var owned bool
		if owned, err = r.renew(s.name(h.Key), h); err == nil {
			return owned, nil
		}
	}
	s.counts.errors.Add(1)
	if !s.closed {
		return true, nil // events flow on
	}
	return false, err
}

// remote returns the machine in Redis, once the server was asked what it can
// do, and an error while Redis is being left alone.
func (s *Store) remote(ctx context.Context) (*remote, error) {
	if !s.guard.up.Load() {
		return nil, s.leftAlone()
	}
	if r := s.can.Load(); r != nil {
		return r, nil
	}
	s.canMu.Lock()
	defer s.canMu.Unlock()
	if r := s.can.Load(); r != nil {
		return r, nil
	}
	if !s.guard.up.Load() { // found out by the one before us
		return nil, s.leftAlone()
	}
	report, err := s.guard.allow()
	if err != nil {
		return nil, err
	}
	can, err := within(s.budget, func(ctx context.Context) (*abilities, error) {
		return probeAbilities(ctx, s.client, s.name("probe"), s.plain)
	})
	report(err)
	if err != nil {
		return nil, wrap("", err)
	}
	can.setNXGet = can.setNXGet && !s.noSetNXGet
	s.tellAbilities(can)
	r := &remote{pipe: s.pipe, retain: s.retention, px: ms(s.retention), can: can}
	if can.err != nil {
		return nil, can.err
	}
	s.can.Store(r)
	return r, nil
}

// revive tries whether Redis works again, for writing too, and tells it what
// was finished meanwhile.
func (s *Store) revive() error {
	_, err := within(s.budget, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.client.Set(ctx, s.name("probe"), "probe", time.Millisecond).Err()
	})
	return err
}

// within runs f, whose client may not heed its context, for at most d.
func within[T any](d time.Duration, f func(context.Context) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	ctx, cancel := context.WithTimeout(context.Background(), d)
	answers := make(chan answer, 1)
	go func() {
		defer cancel()
		v, err := f(ctx)
		answers <- answer{v, err}
	}()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-timer.C:
		var zero T
		return zero, errSilent
	}
}

// name returns the Redis key of a dedupe key.
func (s *Store) name(key string) string {
	if !s.hashKeys {
		return s.prefix + key
	}
	sum := sha256.Sum256([]byte(key))
	return s.prefix + base64.RawURLEncoding.EncodeToString(sum[:16])
}

// leftAlone is the error of what is asked while Redis is being left alone.
func (s *Store) leftAlone() error {
	return fmt.Errorf("%w: Redis is being left alone after: %w", dedupe.ErrUnavailable, s.guard.failure())
}

// changed tells once that Redis went or came back.
func (s *Store) changed(up bool) {
	if up {
		s.log.Info("dedupe: Redis is back", slog.Int("unsent", s.unsent.len()))
		go s.sendUnsent()
		return
	}
	s.counts.outages.Add(1)
	meanwhile := "events flow on with the store in memory; duplicates are possible between processes"
	if s.closed {
		meanwhile = "events are left for redelivery"
	}
	s.log.Warn("dedupe: Redis is unreachable", slog.String("meanwhile", meanwhile), slog.Any("err", s.guard.failure()))
}

func (s *Store) tellAbilities(can *abilities) {
	if can.policy != "" && can.policy != "noeviction" {
		s.log.Warn("dedupe: Redis may evict records, and the events run again; set maxmemory-policy to noeviction",
			slog.String("maxmemory-policy", can.policy))
	}
	switch {
	case can.err != nil:
		s.log.Error("dedupe: Redis cannot be used", slog.Any("err", can.err))
	case !can.scripts:
		s.log.Info("dedupe: Redis is used without scripts: attempts are not counted")
	case !can.setNXGet:
		s.log.Info("dedupe: Redis is older than 7.0 and is used with scripts alone")
	}
}

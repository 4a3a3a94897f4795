package redisstore_test

import (
	"context"
	"sync/atomic"

	"github.com/eventdelivery/eds-go/dedupe"
)

// turns asks several stores that share a Redis one after another, as several
// processes would, so that what the suite sees cannot come from the memory of
// one of them.
type turns struct {
	stores []dedupe.Store
	n      atomic.Int64
}

func (t *turns) next() dedupe.Store { return t.stores[int(t.n.Add(1))%len(t.stores)] }

func (t *turns) Claim(ctx context.Context, h dedupe.Hold) (dedupe.Claim, error) {
	return t.next().Claim(ctx, h)
}

func (t *turns) Commit(ctx context.Context, h dedupe.Hold, r dedupe.Result) (bool, error) {
	return t.next().Commit(ctx, h, r)
}

func (t *turns) Release(ctx context.Context, h dedupe.Hold) (bool, error) {
	return t.next().Release(ctx, h)
}

func (t *turns) Renew(ctx context.Context, h dedupe.Hold) (bool, error) {
	return t.next().Renew(ctx, h)
}

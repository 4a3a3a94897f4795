package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
)

// flow publishes, kills, and returns once all is done or nothing goes on.
func (r *run) flow(ctx context.Context) error {
	strikes := plan(r.o)
	var reviving sync.WaitGroup
	defer reviving.Wait()
	var failed error
	var failing sync.Mutex
	moved, state := time.Now(), [3]int{}
	tenth := 1
	for next := 0; ; {
		handled, more := r.endpoint.done()
		if handled*10 >= tenth*r.o.Events {
			fmt.Fprintf(r.out, "chaos: %d handled, %d of %d kills\n", handled, next, len(strikes))
			tenth = handled*10/r.o.Events + 1
		}
		if to := min(handled+r.o.Backlog, r.o.Events); to > r.published && (to == r.o.Events || to-r.published >= r.o.Backlog/20) {
			if _, err := fmt.Fprintln(r.orders, r.published, to); err != nil {
				return fmt.Errorf("the service is gone: %w", err)
			}
			r.published = to
		}
		for next < len(strikes) && handled >= strikes[next].After {
			s := strikes[next]
			revive := r.strike(ctx, s)
			if revive == nil {
				break // not before one of them is there again
			}
			next++
			reviving.Go(func() {
				pause(ctx, s.Down)
				if ctx.Err() != nil {
					return
				}
				if err := revive(); err != nil {
					failing.Lock()
					failed = errors.Join(failed, err)
					failing.Unlock()
				}
			})
		}
		r.mu.Lock()
		acked := r.acked
		r.mu.Unlock()
		if now := [3]int{handled, acked, r.published}; now != state {
			moved, state = time.Now(), now
		}
		failing.Lock()
		err := failed
		failing.Unlock()
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case handled >= r.o.Events && acked >= r.o.Events && next == len(strikes) && r.watcher.settled(ctx):
			return nil
		case time.Since(moved) > r.o.Patience:
			fmt.Fprintf(r.out, "chaos: nothing has gone on for %v: %d handled, %d acknowledged\n", r.o.Patience, handled, acked)
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// strike kills whom the plan names, or another worker when that one is dead,
// and returns what starts it again; nil when there is nobody to kill now.
func (r *run) strike(ctx context.Context, s strike) (revive func() error) {
	if s.Kind == store {
		redis := r.fleet.redis
		if !redis.kill() {
			return nil
		}
		r.log.Record(history.Entry{Actor: "store", Op: history.StoreFault, Result: storeKilled})
		return func() error {
			err := redis.start(ctx)
			r.log.Record(history.Entry{Actor: "store", Op: history.StoreFault, Result: storeBack})
			return err
		}
	}
	for _, target := range r.targets(s) {
		if r.fleet.strike(ctx, target, r.watcher) {
			return func() error { return r.fleet.fill(target) }
		}
	}
	return nil
}

// The Results of the StoreFaults with which an outage begins and ends.
const (
	storeKilled = "redis killed"
	storeBack   = "redis is back"
)

// targets are those whom a strike may hit, whom the plan means first. A
// receiver that is to be connected may have to be waited for.
func (r *run) targets(s strike) []*seat {
	if s.Kind == worker {
		return slices.Concat(r.fleet.workers[s.Which:], r.fleet.workers[:s.Which])
	}
	r.mu.Lock()
	holder := r.holder
	r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.fleet.receivers), func(other *seat) bool {
		return (other.life() == holder) != (s.Which == 0)
	})
}

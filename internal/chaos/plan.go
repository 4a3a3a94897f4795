package main

import (
	"math/rand/v2"
	"slices"
	"time"
)

// The kinds of processes that are killed.
const (
	worker   = "worker"
	receiver = "receiver"
	store    = "redis"
)

// strike is a kill that is planned.
type strike struct {
	After int // once so many events are handled
	Kind  string
	Which int // of the workers; 0 of the receivers for the active one, 1 for one that stands by
	Down  time.Duration
}

// plan spreads the kills over the run. They depend on how far the run is, not
// on the clock, so that a seed does the same on a slow machine as on a fast one.
func plan(o options) []strike {
	random := rand.New(rand.NewPCG(o.Seed, 0))
	kinds := make([]string, 0, o.Kills+o.RedisKills)
	for i := range o.Kills {
		if i%3 == 1 {
			kinds = append(kinds, receiver)
		} else {
			kinds = append(kinds, worker)
		}
	}
	for range o.RedisKills {
		kinds = append(kinds, store)
	}
	random.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })

	strikes := make([]strike, len(kinds))
	first, last := o.Events/30, o.Events-o.Events/15
	for i, kind := range kinds {
		s := strike{
			After: first + random.IntN(max(last-first, 1)), Kind: kind,
			Down: 100*time.Millisecond + time.Duration(random.Int64N(int64(1400*time.Millisecond))),
		}
		switch kind {
		case worker:
			s.Which = random.IntN(o.Workers)
		case receiver:
			if random.IntN(4) == 0 {
				s.Which = 1
			}
		}
		strikes[i] = s
	}
	slices.SortStableFunc(strikes, func(a, b strike) int { return a.After - b.After })
	return strikes
}

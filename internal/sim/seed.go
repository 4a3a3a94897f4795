package sim

import (
	"fmt"
	"hash/fnv"
	"time"

	"github.com/eventdelivery/eds-go/internal/wsconn"
)

// Seed is the source of all chance in a world.
//
// Each decision is keyed by what it is about (an event, an attempt, an
// operation), never by how many decisions came before. The runtime schedules
// goroutines as it likes; with a shared stream of random numbers, the first
// swap of two calls would change everything that follows.
type Seed uint64

// roll returns 64 bits that depend on the seed and the parts alone.
func (s Seed) roll(about ...any) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d", uint64(s))
	for _, part := range about {
		fmt.Fprintf(h, "\x00%v", part)
	}
	// FNV's upper bits mix badly; this is the finisher of SplitMix64.
	z := h.Sum64() + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Chance is true with the given probability.
func (s Seed) Chance(probability float64, about ...any) bool {
	return float64(s.roll(about...)>>11)/(1<<53) < probability
}

// Pick returns a number in [0, n).
func (s Seed) Pick(n int, about ...any) int { return int(s.roll(about...) % uint64(n)) }

// Between returns a time in [least, most), to the nanosecond: two actors
// should not act at the same instant, since what comes first is then up to the
// scheduler.
func (s Seed) Between(least, most time.Duration, about ...any) time.Duration {
	return least + time.Duration(s.roll(about...)%uint64(most-least))
}

// Tie returns a fraction of a microsecond that keeps actors apart.
func (s Seed) Tie(about ...any) time.Duration { return s.Between(1, 1000, about...) }

// steerJitter makes the pauses and ping times of the code under test a
// function of the seed: of the moment at which they are drawn. It returns how
// to undo that.
func (s Seed) steerJitter() (undo func()) {
	before := wsconn.Random
	wsconn.Random = func() float64 {
		return float64(s.roll("jitter", time.Now().UnixNano())>>11) / (1 << 53)
	}
	return func() { wsconn.Random = before }
}

package wsconn

import (
	"math/rand/v2"
	"time"
)

// Random is where all jitter comes from, in [0, 1). A simulation sets another
// source, so that it can play the same run again; nobody else does, and not
// while connections exist. It is called from several goroutines at once.
var Random = rand.Float64

// jitter returns d, a fifth more or less.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*Random()))
}

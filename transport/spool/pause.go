package spool

import (
	"math/rand/v2"
	"time"
)

// pauseAfter is for how long an event pauses after so many attempts: full
// jitter, since what failed together would come back together otherwise.
func (s *settings) pauseAfter(attempts uint32) time.Duration {
	most := s.first
	for n := uint32(1); n < attempts && 0 < most && most < s.longest; n++ {
		if most > s.longest/2 {
			most = s.longest
		} else {
			most *= 2
		}
	}
	if most <= 0 {
		return 0
	}
	return rand.N(most)
}

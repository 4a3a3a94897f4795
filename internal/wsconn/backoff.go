package wsconn

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Backoff chooses the pauses between tries: exponential with full jitter, so
// that clients which lost their connections at the same moment come back
// spread out.
type Backoff struct {
	exponential *backoff.ExponentialBackOff
	least       time.Duration
}

// NewBackoff has the first pause end within min, each following within twice
// as much, up to max. No pause is shorter than a tenth of min.
func NewBackoff(min, max time.Duration) *Backoff {
	return &Backoff{
		least: min / 10,
		// The library gives the bounds, and Next draws from them.
		exponential: backoff.NewExponentialBackOff(
			backoff.WithInitialInterval(min),
			backoff.WithMaxInterval(max),
			backoff.WithMultiplier(2),
			backoff.WithRandomizationFactor(0),
			backoff.WithMaxElapsedTime(0),
		),
	}
}

// Next returns the next pause.
func (b *Backoff) Next() time.Duration { return max(upTo(b.exponential.NextBackOff()), b.least) }

// Reset starts anew.
func (b *Backoff) Reset() { b.exponential.Reset() }

// Standby chooses the pauses between tries while another client holds what
// this one wants: about a second at first, then slower, up to 15 to 30 seconds.
type Standby struct {
	// Steady keeps them at about a second.
	Steady bool
	tries  int
}

// Next returns the next pause.
func (s *Standby) Next() time.Duration {
	s.tries = min(s.tries+1, 100)
	const quick = 5 // a queue that was just let go is free within seconds
	if n := s.tries - quick; n > 0 && !s.Steady {
		if d := time.Second << min(n, 4); d < 16*time.Second {
			return jitter(d)
		}
		return 15*time.Second + upTo(15*time.Second)
	}
	return time.Second + upTo(200*time.Millisecond)
}

// Waiting tells whether the last try was refused.
func (s *Standby) Waiting() bool { return s.tries > 0 }

// Reset starts anew.
func (s *Standby) Reset() { s.tries = 0 }

// upTo returns anything from zero up to d.
func upTo(d time.Duration) time.Duration { return time.Duration(float64(d) * Random()) }

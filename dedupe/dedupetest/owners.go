package dedupetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eventdelivery/eds-go/dedupe"
)

// Who owns an event, and until when.

func ownToken(t *trial) error {
	h := hold(t.key(), long)
	for i := range 3 {
		c, err := t.claim(fmt.Sprintf("claim %d", i+1), h, dedupe.Acquired)
		if err != nil {
			return err
		}
		if c.Attempt != 1 {
			return fmt.Errorf("claim %d with the same token is attempt %d, want 1", i+1, c.Attempt)
		}
	}
	return nil
}

func takeover(t *trial) error {
	key := t.key()
	dead, next := hold(key, short), hold(key, long)
	if _, err := t.claim("claim of the one that dies", dead, dedupe.Acquired); err != nil {
		return err
	}
	c, err := t.acquire("claim of the next", next)
	if err != nil {
		return err
	}
	if err := t.attempts("claim of the next", c, 2, 1); err != nil {
		return err
	}
	_, err = t.claim("claim of a third", hold(key, long), dedupe.Busy)
	return err
}

// late has one owner lose its lease to another.
func late(t *trial) (old, now dedupe.Hold, err error) {
	key := t.key()
	old, now = hold(key, short), hold(key, long)
	if _, err = t.claim("claim of the late one", old, dedupe.Acquired); err != nil {
		return old, now, err
	}
	_, err = t.acquire("claim of the one that takes over", now)
	return old, now, err
}

func zombieRelease(t *trial) error {
	old, now, err := late(t)
	if err != nil {
		return err
	}
	third := hold(old.Key, long)
	return all(
		func() error {
			got, err := t.store.Release(t, old)
			return owned("late release", got, err, false)
		},
		func() error {
			_, err := t.claim("claim of a third after a late release", third, dedupe.Busy)
			return err
		},
		func() error {
			got, err := t.store.Renew(t, old)
			return owned("late renewal", got, err, false)
		},
		func() error {
			got, err := t.store.Commit(t, now, dedupe.Succeeded)
			return owned("commit of the present owner", got, err, true)
		},
		func() error {
			got, err := t.store.Release(t, old)
			return owned("release after the commit", got, err, false)
		},
		func() error {
			_, err := t.claim("claim of a third after the commit", third, dedupe.Done)
			return err
		},
	)
}

func zombieCommit(t *trial) error {
	old, now, err := late(t)
	if err != nil {
		return err
	}
	return all(
		func() error {
			got, err := t.store.Commit(t, old, dedupe.Succeeded)
			return owned("late commit", got, err, false)
		},
		func() error {
			_, err := t.claim("claim of a third after a late success", hold(old.Key, long), dedupe.Done)
			return err
		},
		func() error {
			got, err := t.store.Release(t, now)
			return owned("release of the one that took over", got, err, false)
		},
		func() error {
			_, err := t.claim("claim of a third after that release", hold(old.Key, long), dedupe.Done)
			return err
		},
	)
}

func renewal(t *trial) error {
	key := t.key()
	mine := hold(key, time.Minute)
	if _, err := t.claim("claim", mine, dedupe.Acquired); err != nil {
		return err
	}
	mine.Lease = long
	got, err := t.store.Renew(t, mine)
	if err := owned("renewal", got, err, true); err != nil {
		return err
	}
	c, err := t.claim("claim of another", hold(key, long), dedupe.Busy)
	if err != nil {
		return err
	}
	if c.Wait <= time.Minute {
		return fmt.Errorf("the lease lasts for %v after a renewal by %v", c.Wait, long)
	}
	got, err = t.store.Renew(t, hold(t.key(), long))
	return owned("renewal of what was never claimed", got, err, false)
}

func race(t *trial) error {
	for range 50 {
		key := t.key()
		var acquired atomic.Int32
		var wg sync.WaitGroup
		errs := make(chan error, 8)
		for range cap(errs) {
			wg.Go(func() {
				c, err := t.store.Claim(t, hold(key, long))
				switch {
				case err != nil:
					errs <- err
				case c.State == dedupe.Acquired:
					acquired.Add(1)
				case c.State != dedupe.Busy:
					errs <- fmt.Errorf("a claim beside others is %v", c.State)
				}
			})
		}
		wg.Wait()
		select {
		case err := <-errs:
			return err
		default:
		}
		if n := acquired.Load(); n != 1 {
			return fmt.Errorf("%d of %d claims at once were acquired, want 1", n, cap(errs))
		}
	}
	return nil
}

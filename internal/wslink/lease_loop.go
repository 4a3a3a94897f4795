package wslink

import (
	"context"
	"time"

	"github.com/eventdelivery/eds-go/internal/wsconn"
	"github.com/eventdelivery/eds-go/transport/lease"
)

// run is the keeper's goroutine.
func (k *leaseKeeper) run(ctx context.Context) {
	defer close(k.done)
	for ctx.Err() == nil {
		wait := k.step(ctx)
		k.mu.Lock()
		k.now.next = time.Now().Add(wait)
		k.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-k.wake:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// step does what is due, and returns after how long something is due again.
func (k *leaseKeeper) step(ctx context.Context) time.Duration {
	connected := k.connected()
	now := time.Now()
	k.mu.Lock()
	k.now.next = now
	holds := k.now.stand == mine
	switch {
	case connected || !holds:
		k.heldSince = time.Time{}
	case k.heldSince.IsZero():
		k.heldSince = now
	}
	tired := !k.heldSince.IsZero() && now.Sub(k.heldSince) >= lease.Patience
	if tired {
		k.restUntil = now.Add(lease.Rest)
	}
	idle := !connected && !k.wanted
	resting := !connected && now.Before(k.restUntil)
	if idle || resting {
		k.settle(unknown, nil)
	}
	yielding := k.yieldUntil.Sub(now)
	k.mu.Unlock()

	switch {
	case tired:
		k.log.WarnContext(ctx, "eds: no connection, leaving the lease to others", k.of...)
		fallthrough
	case idle || resting:
		bounded, cancel := context.WithTimeout(ctx, lease.Renewal)
		defer cancel()
		k.release(bounded)
		if idle {
			return time.Hour // until it is wanted
		}
		return time.Until(k.restUntil)
	case yielding >= time.Millisecond && !connected:
		_, _ = k.take(ctx, yielding) // whatever it says, the pause is the same
		return max(time.Until(k.yieldUntil), 0) + late()
	}
	return k.ask(ctx, connected)
}

// late is by how much those who stand by ask later than one that is connected.
func late() time.Duration {
	return 20*time.Millisecond + time.Duration(wsconn.Random()*float64(200*time.Millisecond))
}

// ask takes the lease or extends it, and returns when to ask again.
func (k *leaseKeeper) ask(ctx context.Context, connected bool) time.Duration {
	began := time.Now()
	claim, err := k.take(ctx, lease.Term)
	if ctx.Err() != nil {
		return 0
	}
	rest := lease.Renewal - time.Since(began)
	k.mu.Lock()
	defer k.mu.Unlock()
	if !connected && k.yieldUntil.After(began) { // meanwhile
		k.settle(unknown, nil)
		return 0
	}
	k.yieldUntil = time.Time{}
	switch {
	case err != nil:
		if !k.blind {
			k.log.WarnContext(ctx, "eds: the store of the lease is out of reach: the service alone decides who reads", append(k.of, "error", err)...)
		}
		k.blind = true
		k.settle(unreachable, nil)
		return max(rest, lease.Renewal/10)
	case k.blind:
		k.blind = false
		k.log.InfoContext(ctx, "eds: the store of the lease is back", k.of...)
	}
	if claim.Held {
		if k.theirs {
			k.log.InfoContext(ctx, "eds: has the lease now", k.of...)
		}
		k.theirs = false
		k.settle(mine, nil)
		return max(rest, 0)
	}
	why := k.errTheirs(claim.Holder)
	if !k.theirs && connected {
		k.log.WarnContext(ctx, "eds: lost the lease, stays connected", append(k.of, "error", why)...)
	} else if !k.theirs {
		k.log.InfoContext(ctx, "eds: standing by", append(k.of, "error", why)...)
	}
	k.theirs = true
	k.settle(theirs, why)
	wait := lease.Renewal
	if claim.Left > 0 {
		wait = min(wait, claim.Left)
	}
	if connected {
		return max(wait, lease.Renewal/100)
	}
	return wait + late()
}

// take calls the store, within the time that a call may take.
func (k *leaseKeeper) take(ctx context.Context, term time.Duration) (claim lease.Claim, err error) {
	ctx, cancel := context.WithTimeout(ctx, lease.Renewal)
	defer cancel()
	until := time.Now().Add(term)
	claim, err = k.lease.Take(ctx, term)
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case err != nil:
		k.until = later(k.until, until)
	case claim.Held:
		k.until = until
	default:
		k.until = time.Time{}
	}
	return claim, err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// release ends the lease where it may still be ours.
func (k *leaseKeeper) release(ctx context.Context) {
	k.mu.Lock()
	until := k.until
	k.until = time.Time{}
	k.mu.Unlock()
	if !time.Now().Before(until) {
		return
	}
	if err := k.lease.Release(ctx); err != nil {
		k.mu.Lock()
		k.until = until // stop tries again
		k.mu.Unlock()
		k.log.InfoContext(ctx, "eds: cannot release the lease, which ends by itself", append(k.of, "within", time.Until(until), "error", err)...)
	}
}

package wslink

import (
	"context"
	"time"

	"github.com/eventdelivery/eds-go/internal/wsconn"
	"github.com/eventdelivery/eds-go/transport/lease"
)

// run is the election's goroutine.
func (e *election) run(ctx context.Context) {
	defer close(e.done)
	for ctx.Err() == nil {
		wait := e.step(ctx)
		e.mu.Lock()
		e.now.next = time.Now().Add(wait)
		e.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-e.wake:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// step does what is due, and returns after how long something is due again.
func (e *election) step(ctx context.Context) time.Duration {
	connected := e.connected()
	now := time.Now()
	e.mu.Lock()
	e.now.next = now
	holds := e.now.stand == mine
	switch {
	case connected || !holds:
		e.vain = time.Time{}
	case e.vain.IsZero():
		e.vain = now
	}
	tired := !e.vain.IsZero() && now.Sub(e.vain) >= lease.Patience
	if tired {
		e.rested = now.Add(lease.Rest)
	}
	idle := !connected && !e.wanted
	resting := !connected && now.Before(e.rested)
	if idle || resting {
		e.settle(unknown, nil)
	}
	yielding := e.yielded.Sub(now)
	e.mu.Unlock()

	switch {
	case tired:
		e.log.WarnContext(ctx, "eds: no connection, leaving the lease to others", e.of...)
		fallthrough
	case idle || resting:
		bounded, cancel := context.WithTimeout(ctx, lease.Renewal)
		defer cancel()
		e.release(bounded)
		if idle {
			return time.Hour // until it is wanted
		}
		return time.Until(e.rested)
	case yielding >= time.Millisecond && !connected:
		_, _ = e.take(ctx, yielding) // whatever it says, the pause is the same
		return max(time.Until(e.yielded), 0) + late()
	}
	return e.ask(ctx, connected)
}

// late is by how much those who stand by ask later than one that is connected.
func late() time.Duration {
	return 20*time.Millisecond + time.Duration(wsconn.Random()*float64(200*time.Millisecond))
}

// ask takes the lease or extends it, and returns when to ask again.
func (e *election) ask(ctx context.Context, connected bool) time.Duration {
	began := time.Now()
	claim, err := e.take(ctx, lease.Term)
	if ctx.Err() != nil {
		return 0
	}
	rest := lease.Renewal - time.Since(began)
	e.mu.Lock()
	defer e.mu.Unlock()
	if !connected && e.yielded.After(began) { // meanwhile
		e.settle(unknown, nil)
		return 0
	}
	e.yielded = time.Time{}
	switch {
	case err != nil:
		if !e.blind {
			e.log.WarnContext(ctx, "eds: the store of the lease is out of reach: the service alone decides who reads", append(e.of, "error", err)...)
		}
		e.blind = true
		e.settle(unreachable, nil)
		return max(rest, lease.Renewal/10)
	case e.blind:
		e.blind = false
		e.log.InfoContext(ctx, "eds: the store of the lease is back", e.of...)
	}
	if claim.Held {
		if e.theirs {
			e.log.InfoContext(ctx, "eds: has the lease now", e.of...)
		}
		e.theirs = false
		e.settle(mine, nil)
		return max(rest, 0)
	}
	why := e.errTheirs(claim.Holder)
	if !e.theirs && connected {
		e.log.WarnContext(ctx, "eds: lost the lease, stays connected", append(e.of, "error", why)...)
	} else if !e.theirs {
		e.log.InfoContext(ctx, "eds: standing by", append(e.of, "error", why)...)
	}
	e.theirs = true
	e.settle(theirs, why)
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
func (e *election) take(ctx context.Context, term time.Duration) (claim lease.Claim, err error) {
	ctx, cancel := context.WithTimeout(ctx, lease.Renewal)
	defer cancel()
	until := time.Now().Add(term)
	claim, err = e.lease.Take(ctx, term)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case err != nil:
		e.until = later(e.until, until)
	case claim.Held:
		e.until = until
	default:
		e.until = time.Time{}
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
func (e *election) release(ctx context.Context) {
	e.mu.Lock()
	until := e.until
	e.until = time.Time{}
	e.mu.Unlock()
	if !time.Now().Before(until) {
		return
	}
	if err := e.lease.Release(ctx); err != nil {
		e.mu.Lock()
		e.until = until // stop tries again
		e.mu.Unlock()
		e.log.InfoContext(ctx, "eds: cannot release the lease, which ends by itself", append(e.of, "within", time.Until(until), "error", err)...)
	}
}

package sim

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
	"github.com/eventdelivery/eds-go/middleware"
	"github.com/eventdelivery/eds-go/transport/edsv2"
	"github.com/eventdelivery/eds-go/transport/lease"
)

// leases is a store of leases that a test can break.
type leases struct {
	whole, other lease.Memory // other is what a split store says to some

	mu     sync.Mutex
	down   bool                 // calls fail at once
	hangs  bool                 // calls end with their context
	slow   time.Duration        // calls take as long
	apart  map[string]bool      // who talks to other
	cut    map[string]bool      // for whom it is down
	frozen map[string]time.Time // who does nothing until then
}

var errLeaseDown = errors.New("lease store: connection refused")

// during breaks the store for d.
func (l *leases) during(d time.Duration, how func(on bool)) {
	for _, on := range []bool{true, false} {
		l.mu.Lock()
		how(on)
		l.mu.Unlock()
		if on {
			time.Sleep(d) // fake time: the store is broken
		}
	}
}

// holder is the lease of one process, which dies and freezes with it.
type holder struct {
	of            *leases
	process       *Process
	whole, beside lease.Lease
}

func (l *leases) holder(p *Process) *holder {
	return &holder{l, p, l.whole.Holder(p.Queue, p.Name), l.other.Holder(p.Queue, p.Name)}
}

// reach returns whom to ask.
func (h *holder) reach(ctx context.Context) (lease.Lease, error) {
	l, name := h.of, h.process.Name
	l.mu.Lock()
	down, hangs, slow := l.down || l.cut[name], l.hangs, l.slow
	to, thaw := h.whole, l.frozen[name]
	if l.apart[name] {
		to = h.beside
	}
	l.mu.Unlock()
	time.Sleep(time.Until(thaw)) // fake time: a frozen process does not see its context end
	switch {
	case h.process.Dead():
		return nil, errCrashed
	case down:
		return nil, errLeaseDown
	case hangs:
		<-ctx.Done()
		return nil, ctx.Err()
	case !sleep(ctx, slow+h.process.world.Seed.Between(50*time.Microsecond, time.Millisecond, "lease", name, time.Now().UnixNano())):
		return nil, ctx.Err()
	case h.process.Dead():
		return nil, errCrashed
	}
	return to, nil
}

func (h *holder) Take(ctx context.Context, term time.Duration) (lease.Claim, error) {
	to, err := h.reach(ctx)
	if err != nil {
		return lease.Claim{}, err
	}
	return to.Take(ctx, term)
}

func (h *holder) Release(ctx context.Context) error {
	to, err := h.reach(ctx)
	if err != nil {
		return err
	}
	return to.Release(ctx)
}

// receiver is Framework with an option that says how it stands by.
func receiver(standby func(*Process) edsv2.Option) Client {
	return func(ctx context.Context, p *Process) error {
		t := edsv2.New(p.world.url(), p.Queue, edsv2.APIKey(p.world.key()), edsv2.DialContext(p.Dial), edsv2.Logger(silence), standby(p))
		return p.assemble(&observed{t, p}, nil,
			middleware.Dedupe(p.world.Store.For(p, nil)),
			middleware.DeadLetter(p.Park),
			middleware.Retry(middleware.Backoff(0, 0)),
			middleware.Recover(),
		).Run(ctx)
	}
}

// leased waits for its turn, patient tries each second, growing less and less
// often.
func (l *leases) leased(p *Process) edsv2.Option { return edsv2.Lease(l.holder(p)) }
func patient(*Process) edsv2.Option              { return edsv2.Standby() }
func growing(*Process) edsv2.Option              { return nil }

// active returns who is connected, by the history.
func (w *World) active() *Process {
	open := map[string]string{} // process by connection
	last := ""
	for _, e := range w.Log.Entries() {
		switch e.Op {
		case history.Connect:
			open[e.Conn], last = e.Actor, e.Conn
		case history.Disconnect:
			delete(open, e.Conn)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.processes {
		if p.Name == open[last] && !p.Dead() {
			return p
		}
	}
	return nil
}

// takeover is how another process came to read the queue.
type takeover struct {
	from, to string
	left, at time.Time // when the first one had gone, when the other was connected
}

// takeovers finds them in a history. A process has gone when its connection
// ended for the last time before another one connected.
func takeovers(entries []history.Entry) (all []takeover) {
	var had string
	var left time.Time
	for _, e := range entries {
		switch {
		case e.Op == history.Connect:
			if had != "" && had != e.Actor {
				all = append(all, takeover{had, e.Actor, left, e.Time})
			}
			had = e.Actor
		case (e.Op == history.Disconnect || e.Op == history.Crash) && e.Actor == had:
			left = e.Time
		}
	}
	return all
}

// overlaps counts the moments at which two processes were connected.
func overlaps(entries []history.Entry) (n int) {
	open := map[string]string{} // connection by process
	for _, e := range entries {
		switch e.Op {
		case history.Connect:
			open[e.Actor] = e.Conn
			if len(open) > 1 {
				n++
			}
		case history.Disconnect, history.Crash:
			delete(open, e.Actor)
		}
	}
	return n
}

// dials counts who dialed between two moments.
func dials(entries []history.Entry, from, to time.Time) (n int) {
	for _, e := range entries {
		if e.Op == history.Dial && !e.Time.Before(from) && e.Time.Before(to) {
			n++
		}
	}
	return n
}

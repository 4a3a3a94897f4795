package middleware

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eventdelivery/eds-go/dedupe"
)

// ticksPerLease is how often leases are looked at. A lease is renewed two
// looks after its claim or last renewal, at an age of a sixth to a third of
// its length.
const ticksPerLease = 6

// maxRenewals bounds the renewals that are under way at once.
const maxRenewals = 64

// leases renews the leases of the events that are being handled. One timer
// serves all of them; an event that ends before the next look costs nothing
// but its place in the list.
type leases struct {
	store    dedupe.Store
	tick     time.Duration
	counters *dedupeCounters

	mu    sync.Mutex
	list  owned // sentinel of a ring
	now   uint64
	armed bool
}

func (l *leases) init(store dedupe.Store, lease time.Duration, counters *dedupeCounters) {
	l.store, l.tick, l.counters = store, max(lease/ticksPerLease, time.Millisecond), counters
	l.list.prev, l.list.next = &l.list, &l.list
}

func (l *leases) add(r *owned) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.renewed, r.held = l.now, l.now
	r.prev, r.next = l.list.prev, &l.list
	r.prev.next, r.next.prev = r, r
	if !l.armed {
		l.armed = true
		time.AfterFunc(l.tick, l.look)
	}
}

func (l *leases) remove(r *owned) {
	l.mu.Lock()
	r.prev.next, r.next.prev = r.next, r.prev
	r.ended = true
	l.mu.Unlock()
	if c := r.real.Load(); c != nil {
		c.cancel(context.Canceled)
	}
}

// look renews what is old enough, and asks to be called again as long as
// there is anything to look after.
func (l *leases) look() {
	var due []*owned
	l.mu.Lock()
	l.now++
	for r := l.list.next; r != &l.list; r = r.next {
		// A handler that goes on although its context has ended has no claim to
		// more time: were its lease renewed, nobody could ever take the event
		// over from one that is stuck.
		if l.now-r.renewed >= 2 && r.Context.Err() == nil {
			r.renewed = l.now
			due = append(due, r)
		}
	}
	l.mu.Unlock()

	var wg sync.WaitGroup
	slots := make(chan struct{}, min(len(due), maxRenewals))
	for _, r := range due {
		slots <- struct{}{}
		wg.Go(func() {
			l.renew(r)
			<-slots
		})
	}
	wg.Wait()

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.armed = l.list.next != &l.list; l.armed {
		time.AfterFunc(l.tick, l.look)
	}
}

func (l *leases) renew(r *owned) {
	held, err := l.store.Renew(r.Context, r.hold)
	l.mu.Lock()
	switch {
	case held && err == nil:
		r.held = l.now
	case err != nil && l.now-r.held < ticksPerLease-1:
		held = true // it has not been renewed, but is not over yet
	}
	lost := !held && !r.ended && !r.lost
	r.lost = r.lost || lost
	l.mu.Unlock()
	if err != nil {
		l.counters.count(r, l.counters.errors, nil)
	}
	if lost {
		l.counters.count(r, l.counters.lost, nil)
		r.materialize().cancel(dedupe.ErrLeaseLost)
	}
}

// owned is an event that this worker has claimed, and the handler's context,
// which can be ended when the lease is lost. The channel behind Done is made
// when somebody asks for it.
type owned struct {
	context.Context
	hold dedupe.Hold

	real atomic.Pointer[cancelable]

	// Guarded by leases.mu.
	prev, next    *owned
	renewed, held uint64 // looks at which it was last tried to renew, and was
	lost, ended   bool
}

type cancelable struct {
	context.Context
	cancel context.CancelCauseFunc
}

func (r *owned) Done() <-chan struct{} { return r.materialize().Done() }

func (r *owned) Err() error {
	if c := r.real.Load(); c != nil {
		return c.Err()
	}
	return r.Context.Err()
}

// Value hands out the standard context's values once there is one, so that
// contexts derived from this one are tied to that without a goroutine.
func (r *owned) Value(key any) any {
	if c := r.real.Load(); c != nil {
		return c.Value(key)
	}
	return r.Context.Value(key)
}

func (r *owned) materialize() *cancelable {
	if c := r.real.Load(); c != nil {
		return c
	}
	ctx, cancel := context.WithCancelCause(r.Context)
	c := &cancelable{ctx, cancel}
	if !r.real.CompareAndSwap(nil, c) {
		cancel(context.Canceled)
		return r.real.Load()
	}
	return c
}

package eds

import (
	"cmp"
	"context"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// lanes decide when an event runs: one after another, or up to a number side
// by side with the order kept per key. They bound what is in memory, and let a
// redelivery join the run of its event.
//
// With one lane nothing is handed over in the common case: the goroutine that
// received an event also runs it, and receives the next one afterwards. Only
// when a run takes longer than handOverAfter does another goroutine go on
// receiving. A wake-up per event would cost more than all of the middleware.
type lanes struct {
	app      *App
	receives context.Context // ends when nothing more is to be received
	works    context.Context // parent of all handler contexts
	settles  context.Context // never ends: an acknowledgement is always sent

	mu   sync.Mutex
	room sync.Cond // waits for space in the buffer

	// Guarded by mu.
	held     map[identity]*run // all runs, waiting and active
	active   []*run            // in no order; run.slot is its index
	ready    fifo              // waiting for a free lane
	keys     map[string]*run   // the last run of each key; see run.behind
	idle     []chan *run       // parked workers, the last one parked at the end
	waiting  int               // runs in ready and behind others
	count    int               // deliveries held, joined ones included
	bytes    int64
	stuck    int
	nextID   uint64
	outcomes Outcomes
	draining bool

	inline    *run   // runs on the goroutine that receives
	receivers uint64 // goroutines that have received, one after another
	watch     watch

	receiverDone chan struct{} // closed when the last receive has returned
	receiverErr  error         // set before receiverDone is closed
	quiet        chan struct{} // closed when draining and nothing is active
}

func newLanes(receives, works context.Context, a *App) *lanes {
	l := &lanes{
		app: a, receives: receives, works: works,
		settles:      context.WithoutCancel(works),
		held:         make(map[identity]*run),
		receiverDone: make(chan struct{}),
		quiet:        make(chan struct{}),
	}
	if a.cfg.orderBy != nil {
		l.keys = make(map[string]*run)
	}
	l.room.L = &l.mu
	l.watch.init(l)
	return l
}

// placed is where admit put a delivery.
type placed int

const (
	joined placed = iota // to the run of the same event
	queued
	started // for the worker to run, or a new one when that is nil
	inline  // on the caller's goroutine
)

// admit takes in a delivery.
func (l *lanes) admit(d *Delivery) (r *run, worker chan<- *run, where placed) {
	key, verdict := l.judge(d) // may call back, so not under the lock
	l.mu.Lock()
	defer l.mu.Unlock()
	if id, joins := identityOf(d); joins {
		if r := l.held[id]; r != nil {
			l.join(r, d)
			return nil, nil, joined
		}
	}
	r = l.newRun(d, verdict)
	l.count++
	l.bytes += r.size
	if l.keys != nil && verdict == nil {
		r.key, r.keyed = key, true
		last := l.keys[key]
		l.keys[key] = r
		if last != nil {
			last.behind = r
			l.waiting++
			return nil, nil, queued
		}
	}
	// A worker may be about to fetch what waits: nobody overtakes that.
	idle := len(l.active) == 0 && l.ready.empty() && l.receives.Err() == nil
	if l.app.cfg.concurrency == 1 && idle {
		l.start(r)
		l.inline = r
		l.watch.inlineStarted()
		return r, nil, inline
	}
	l.ready.push(r)
	l.waiting++
	if l.app.cfg.concurrency == 1 {
		return nil, nil, queued
	}
	if r = l.startNext(); r == nil {
		return nil, nil, queued
	}
	return r, l.wake(), started
}

// judge returns the key of a delivery, or the verdict on one that no handler
// is to see. A key function that panics fails its event, not the process,
// which would meet the same event again after its restart.
func (l *lanes) judge(d *Delivery) (key string, verdict error) {
	if d.Err != nil {
		return "", Permanent(d.Err)
	}
	if l.keys == nil {
		return "", nil
	}
	defer func() {
		if v := recover(); v != nil {
			verdict = Permanent(&PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	return l.app.cfg.orderBy(&d.Event), nil
}

func (l *lanes) newRun(d *Delivery, verdict error) *run {
	l.nextID++
	r := &run{
		id: l.nextID, event: &d.Event, first: d, verdict: verdict,
		size: int64(len(d.Event.Payload)), attempt: int32(d.Event.Attempt),
	}
	r.parent = l.works
	var joins bool
	if r.heldAs, joins = identityOf(d); !joins {
		r.heldAs = unjoined(r.id)
	}
	l.held[r.heldAs] = r
	return r
}

// start marks r as active. The caller then runs it.
func (l *lanes) start(r *run) {
	l.startClock(r)
	r.slot = int32(len(l.active))
	l.active = append(l.active, r)
	l.watch.started()
}

func (l *lanes) startClock(r *run) {
	r.started = time.Now()
	if t := l.app.cfg.handlerTimeout; t > 0 {
		r.deadline, r.cause = r.started.Add(t), ErrHandlerTimeout
	}
}

// stop takes r off the active ones.
func (l *lanes) stop(r *run) {
	last := len(l.active) - 1
	l.active[r.slot] = l.active[last]
	l.active[r.slot].slot = r.slot
	l.active[last] = nil
	l.active = l.active[:last]
}

// startNext starts the run that waited longest; nil when none does, when no
// lane is free, or at the end, when what waits is given back by drain.
func (l *lanes) startNext() *run {
	if l.receives.Err() != nil || len(l.active) >= l.app.cfg.concurrency {
		return nil
	}
	r := l.ready.pop()
	if r != nil {
		l.waiting--
		l.start(r)
	}
	return r
}

// release ends a run's hold on its lane, its key and the buffer.
func (l *lanes) release(r *run, deliveries int) {
	l.stop(r)
	if l.inline == r {
		l.inline = nil
	}
	l.forget(r, deliveries)
	if follower := r.behind; follower != nil {
		r.behind = nil         // a goroutine that is lost must not keep all that came after
		l.ready.push(follower) // still counted as waiting
	} else if r.keyed {
		delete(l.keys, r.key)
	}
	if l.draining && len(l.active) == 0 {
		close(l.quiet)
	}
}

func (l *lanes) forget(r *run, deliveries int) {
	l.count -= deliveries
	l.bytes -= r.size
	l.room.Signal()
}

// drain stops the start of waiting runs, and returns them in the order in
// which they came. Parked workers end.
func (l *lanes) drain() []*run {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draining = true
	if len(l.active) == 0 {
		close(l.quiet)
	}
	for _, turn := range l.idle {
		close(turn)
	}
	l.idle = nil
	var left []*run
	for _, r := range l.held {
		r.behind = nil // what is given back follows nobody
		if r.started.IsZero() {
			left = append(left, r)
			delete(l.held, r.heldAs)
		}
	}
	l.ready, l.waiting = fifo{}, 0
	slices.SortFunc(left, func(a, b *run) int { return cmp.Compare(a.id, b.id) })
	return left
}

// giveUp abandons all that is still active, and returns it.
func (l *lanes) giveUp() []*run {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := slices.Clone(l.active)
	for _, r := range left {
		if r.settled {
			continue // it is the transport that does not return
		}
		l.stop(r)
		r.abandoned.Store(true)
		r.stuck = true
		l.stuck++
	}
	return left
}

package eds

import (
	"context"
	"strconv"
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
	held     map[string]*run // all runs, waiting and active, by event id
	active   []*run          // in no order; run.slot is its index
	ready    fifo            // waiting for a free lane
	keys     map[string]*fifo
	waiting  int // runs in ready and in keys
	count    int // deliveries held, joined ones included
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

func newLanes(a *App, receives, works context.Context) *lanes {
	l := &lanes{
		app: a, receives: receives, works: works,
		settles:      context.WithoutCancel(works),
		held:         make(map[string]*run),
		receiverDone: make(chan struct{}),
		quiet:        make(chan struct{}),
	}
	if a.cfg.orderBy != nil {
		l.keys = make(map[string]*fifo)
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
	started // on a goroutine of its own, which the caller makes
	inline  // on the caller's goroutine
)

// admit takes in a delivery.
func (l *lanes) admit(d *Delivery) (*run, placed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.held[d.Event.ID]; r != nil && d.Event.ID != "" && d.Err == nil {
		l.join(r, d)
		return nil, joined
	}
	r := l.newRun(d)
	l.count++
	l.bytes += int64(len(d.Event.Payload))
	if l.keys != nil && d.Err == nil {
		r.key = l.app.cfg.orderBy(r.event)
		if behind, busy := l.keys[r.key]; busy {
			behind.push(r)
			l.waiting++
			return nil, queued
		}
		l.keys[r.key] = &fifo{}
		r.keyed = true
	}
	// A worker may be about to fetch what waits: nobody overtakes that.
	idle := len(l.active) == 0 && l.ready.empty()
	if l.app.cfg.concurrency == 1 && idle {
		l.start(r)
		l.inline = r
		l.watch.inlineStarted()
		return r, inline
	}
	l.ready.push(r)
	l.waiting++
	if l.app.cfg.concurrency == 1 || len(l.active) >= l.app.cfg.concurrency {
		return nil, queued
	}
	return l.startNext(), started
}

func (l *lanes) newRun(d *Delivery) *run {
	l.nextID++
	r := &run{id: l.nextID, event: &d.Event, first: d, heldAs: d.Event.ID}
	r.parent = l.works
	if d.Err != nil {
		r.verdict = Permanent(d.Err)
	}
	if r.heldAs == "" || d.Err != nil {
		// Not to be joined; a control character starts no event's id that
		// a service hands out.
		r.heldAs = "\x00" + strconv.FormatUint(r.id, 10)
	}
	l.held[r.heldAs] = r
	return r
}

// join adds a redelivery to the run of its event. A frame that came twice
// with the same receipt is dropped, since a receipt is acknowledged once.
func (l *lanes) join(r *run, d *Delivery) {
	if same(r.first, d) {
		l.outcomes[Duplicate]++
		return
	}
	for _, have := range r.later {
		if same(have, d) {
			l.outcomes[Duplicate]++
			return
		}
	}
	d.Event.Payload = nil // the run has its own
	r.later = append(r.later, d)
	l.count++
}

func same(a, b *Delivery) bool { return a.Receipt == b.Receipt && a.Tag == b.Tag }

// start marks r as active. The caller then runs it.
func (l *lanes) start(r *run) {
	r.started = time.Now()
	if t := l.app.cfg.handlerTimeout; t > 0 {
		r.deadline, r.cause = r.started.Add(t), ErrHandlerTimeout
	}
	r.slot = len(l.active)
	l.active = append(l.active, r)
	l.watch.started()
}

// stop takes r off the active ones.
func (l *lanes) stop(r *run) {
	last := len(l.active) - 1
	l.active[r.slot] = l.active[last]
	l.active[r.slot].slot = r.slot
	l.active[last] = nil
	l.active = l.active[:last]
}

// work performs r and then whatever waits, until nothing does.
func (l *lanes) work(r *run) {
	for r != nil {
		if !l.perform(r) {
			return // given up on: somebody else has the lane
		}
		r = l.next()
	}
}

// next starts the run that waited longest; nil when none does.
func (l *lanes) next() *run {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.receives.Err() != nil || len(l.active) >= l.app.cfg.concurrency {
		return nil // what waits is given back by drain
	}
	return l.startNext()
}

func (l *lanes) startNext() *run {
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
	if r.keyed {
		if behind := l.keys[r.key]; !behind.empty() {
			follower := behind.pop()
			follower.keyed = true
			l.ready.push(follower) // still counted as waiting
		} else {
			delete(l.keys, r.key)
		}
	}
	if l.draining && len(l.active) == 0 {
		close(l.quiet)
	}
}

func (l *lanes) forget(r *run, deliveries int) {
	l.count -= deliveries
	l.bytes -= int64(len(r.event.Payload))
	l.room.Signal()
}

// drain stops the start of waiting runs and returns them.
func (l *lanes) drain() []*run {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draining = true
	if len(l.active) == 0 {
		close(l.quiet)
	}
	var left []*run
	for _, r := range l.held {
		if r.started.IsZero() {
			left = append(left, r)
			delete(l.held, r.heldAs)
		}
	}
	l.ready, l.waiting = fifo{}, 0
	return left
}

// giveUp abandons all that is still active, and returns it.
func (l *lanes) giveUp() []*run {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := append([]*run(nil), l.active...)
	for _, r := range left {
		r.abandoned.Store(true)
		r.stuck = true
		l.stuck++
	}
	return left
}

// fifo is a queue of runs. The zero value is empty.
type fifo struct {
	runs []*run
	head int
}

func (q *fifo) empty() bool { return q.head == len(q.runs) }

func (q *fifo) push(r *run) { q.runs = append(q.runs, r) }

func (q *fifo) pop() *run {
	if q.empty() {
		return nil
	}
	r := q.runs[q.head]
	q.runs[q.head] = nil
	q.head++
	if q.head == len(q.runs) {
		q.runs, q.head = q.runs[:0], 0
	} else if q.head >= 64 && q.head*2 >= len(q.runs) {
		// A queue that never runs empty must not keep its past.
		q.runs = append(q.runs[:0], q.runs[q.head:]...)
		q.head = 0
	}
	return r
}

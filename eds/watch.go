package eds

import "time"

const (
	// handOverAfter is how long the receiving goroutine may run a handler
	// before another one goes on receiving. Until then a PONG or a redelivery
	// waits, which nobody notices; and a handler that is quicker than this is
	// better off without the cost of a hand-over.
	handOverAfter = 5 * time.Millisecond

	// stuckGrace is how long a handler may go on after its deadline before it
	// is given up.
	stuckGrace = 10 * time.Second
)

// watch notices runs that take long. Its timers are armed while something
// runs and look at the clock when they fire, so that an event costs no timer.
type watch struct {
	l             *lanes
	handOver      *time.Timer
	handOverArmed bool // guarded by lanes.mu, as the next
	stuck         *time.Timer
	stuckArmed    bool
}

func (w *watch) init(l *lanes) {
	w.l = l
	w.handOver = time.AfterFunc(time.Hour, w.checkInline)
	w.handOver.Stop()
	w.stuck = time.AfterFunc(time.Hour, w.checkStuck)
	w.stuck.Stop()
}

// end stops the timers. What they already set off finds nothing to do.
func (w *watch) end() {
	w.handOver.Stop()
	w.stuck.Stop()
}

// inlineStarted is called with lanes.mu held.
func (w *watch) inlineStarted() {
	if !w.handOverArmed {
		w.handOverArmed = true
		w.handOver.Reset(handOverAfter)
	}
}

// checkInline goes on receiving when the goroutine that should is busy.
func (w *watch) checkInline() {
	l := w.l
	l.mu.Lock()
	w.handOverArmed = false
	if l.inline == nil {
		l.mu.Unlock()
		return
	}
	if left := handOverAfter - time.Since(l.inline.started); left > 0 {
		w.handOverArmed = true
		w.handOver.Reset(left)
		l.mu.Unlock()
		return
	}
	l.inline = nil
	l.receivers++ // the busy goroutine must see it even before receive begins
	l.mu.Unlock()
	l.receive()
}

// limit is how long a run may take before it counts as stuck.
func (w *watch) limit() time.Duration { return w.l.app.cfg.handlerTimeout + stuckGrace }

// started is called with lanes.mu held.
func (w *watch) started() {
	if !w.stuckArmed && w.l.app.cfg.handlerTimeout > 0 {
		w.stuckArmed = true
		w.stuck.Reset(w.limit())
	}
}

// checkStuck gives up the runs that are over their limit, and lets their
// events go through the chain again with ErrStuck for a result.
func (w *watch) checkStuck() {
	l := w.l
	var given []*run
	l.mu.Lock()
	w.stuckArmed = false
	next := time.Duration(-1)
	for _, r := range l.active {
		left := w.limit() - time.Since(r.started)
		if left > 0 {
			if next < 0 || left < next {
				next = left
			}
			continue
		}
		given = append(given, r)
	}
	if next > 0 {
		w.stuckArmed = true
		w.stuck.Reset(next)
	}
	l.mu.Unlock()
	for _, r := range given {
		l.takeOver(r, ErrStuck)
	}
}

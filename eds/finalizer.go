package eds

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"time"
)

// perform sends an event through the chain and settles its deliveries. It
// returns false when the run was given up meanwhile: it no longer owns its
// lane then, and others have settled the event.
func (l *lanes) perform(r *run) bool {
	err, panicked := l.call(r)
	if panicked {
		// The chain must learn of it: a dead letter wants to be written and a
		// claim to be released. So the event goes through once more with the
		// panic for a result.
		second := l.again(r, err)
		if second == nil {
			return l.finish(r, err)
		}
		r.Cancel()
		r = second
		if r.broken {
			err = Redeliver(err)
		} else if err, panicked = l.call(r); panicked {
			err = Redeliver(err) // the chain itself is broken; lose nothing
		}
	}
	return l.finish(r, err)
}

// call runs the chain. A panic that gets past it comes back as a *PanicError.
// When the handler ends the goroutine, call does not return: the rest is then
// done on a new one.
func (l *lanes) call(r *run) (err error, panicked bool) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			p := &PanicError{Value: v, Stack: debug.Stack()}
			err, panicked = p, true
			l.app.cfg.log.LogAttrs(r, slog.LevelError, "panic while processing an event",
				slog.String("event.id", r.event.ID), slog.String("event.type", r.event.Type),
				slog.Any("err", err), slog.String("stack", string(p.Stack)))
			return
		}
		if !l.takeOver(r, ErrGoexit) {
			l.finish(r, ErrGoexit) // was given up: nothing to settle
		}
	}()
	err = l.app.process(r, r.event)
	returned = true
	return err, false
}

// again makes the run that continues r with verdict for the handler's result.
// It returns nil when r was given up already.
func (l *lanes) again(r *run, verdict error) *run {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.succeed(r, verdict)
}

// succeed is again, called with lanes.mu held.
func (l *lanes) succeed(r *run, verdict error) *run {
	if r.abandoned.Load() || r.settled {
		return nil
	}
	r.abandoned.Store(true)
	second := &run{
		id: r.id, event: r.pristine(), attempt: r.attempt, first: r.first, later: r.later,
		heldAs: r.heldAs, slot: r.slot, size: r.size,
		key: r.key, keyed: r.keyed, behind: r.behind,
		broken:  r.second,
		second:  true,
		verdict: Permanent(verdict),
	}
	if second.broken && verdict != ErrStuck { //nolint:errorlint // a panic with it is none
		second.watched = r.watched // r has ended, and no other pass will register anew
	}
	second.parent = l.works
	l.startClock(second)
	l.held[r.heldAs] = second
	l.active[r.slot] = second
	if r.keyed && l.keys[r.key] == r {
		l.keys[r.key] = second
	}
	r.behind = nil
	if l.inline == r {
		l.inline = second
	}
	return second
}

// takeOver continues a run whose goroutine is lost: stuck in a handler, or
// ended by one. It returns false when the run was given up already.
func (l *lanes) takeOver(r *run, verdict error) bool {
	l.mu.Lock()
	second := l.succeed(r, verdict)
	if second == nil {
		l.mu.Unlock()
		return false
	}
	receives := l.inline == second
	if receives {
		l.inline = nil
		l.receivers++
	}
	if verdict == ErrStuck { //nolint:errorlint // a panic with it is none
		r.stuck = true
		l.stuck++
	}
	l.mu.Unlock()
	l.app.cfg.log.LogAttrs(second, slog.LevelError, "handler lost",
		slog.String("event.id", r.event.ID), slog.String("event.type", r.event.Type),
		slog.Any("err", verdict))
	r.cancelCause(verdict)
	if receives {
		go l.receive()
	}
	go func() {
		if !second.broken {
			l.work(second)
		} else if l.finish(second, Redeliver(verdict)) {
			l.work(l.next())
		}
	}()
	return true
}

// finish settles all deliveries of a run with the outcome that err tells, and
// gives its lane back. It returns false when the run had been given up.
func (l *lanes) finish(r *run, err error) bool {
	outcome := OutcomeOf(err)
	if outcome == Failed && errors.Is(context.Cause(r), ErrShutdown) {
		outcome, err = Redelivered, Redeliver(err) // interrupted, not failed
	}

	l.mu.Lock()
	if r.abandoned.Load() {
		if r.stuck {
			l.stuck-- // back at last
		}
		l.mu.Unlock()
		r.Cancel()
		return false
	}
	// From here on a redelivery starts a run of its own, which finds what the
	// dedupe store says; it cannot overtake this run's commit.
	r.settled = true
	later := r.later
	delete(l.held, r.heldAs)
	l.mu.Unlock()

	settled := Settled{Event: r.event, Outcome: outcome, Err: err, Deliveries: 1 + len(later)}
	l.settle(l.settles, r, later, &settled)
	r.Cancel()
	if outcome == Failed {
		l.app.cfg.log.LogAttrs(l.works, slog.LevelError, "event failed and was acknowledged: there is no dead-letter handler",
			slog.String("event.id", r.event.ID), slog.String("event.type", r.event.Type),
			slog.String("source", r.event.Source), slog.Time("received", r.first.Received), slog.Any("err", err))
	}
	for _, f := range r.watched {
		l.notify(f, settled)
	}

	l.mu.Lock()
	l.outcomes[outcome] += uint64(settled.Deliveries)
	l.release(r, settled.Deliveries)
	l.mu.Unlock()
	return true
}

// settle acknowledges the deliveries or gives them back: the newest first,
// since an older receipt may have ceased to count.
func (l *lanes) settle(ctx context.Context, r *run, later []*Delivery, s *Settled) {
	give := l.app.transport.Nack
	if s.Outcome.Acked() {
		give = l.app.transport.Ack
		s.AckStarted = time.Now()
	}
	newest := r.first
	if n := len(later); n > 0 {
		newest = later[n-1]
	}
	s.AckErr = give(ctx, newest)
	if s.Outcome.Acked() {
		s.AckTook = time.Since(s.AckStarted)
	}
	for i := len(later) - 2; i >= 0; i-- {
		_ = give(ctx, later[i]) // the newest one counts
	}
	if newest != r.first {
		_ = give(ctx, r.first)
	}
}

// notify keeps a panic in somebody's observer from taking the lane down.
func (l *lanes) notify(f func(Settled), s Settled) {
	defer func() {
		if v := recover(); v != nil {
			l.app.cfg.log.LogAttrs(l.works, slog.LevelError, "panic in an OnSettled function", slog.Any("panic", v))
		}
	}()
	f(s)
}

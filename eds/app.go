package eds

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// interruptGrace is what handlers get to return in once a shutdown has
	// interrupted them.
	interruptGrace = time.Second
	// closeTimeout bounds the end of the connection: flushing, confirmation
	// of the last acknowledgements, closing handshake.
	closeTimeout = 5 * time.Second
)

// App connects a transport with handlers. Build it with New, Use and Handle,
// from one goroutine, then call Run once.
//
// Mistakes in the building are collected, and Validate and Run return them
// all at once.
type App struct {
	transport  Transport
	cfg        config
	middleware []Middleware
	routes     routes
	mistakes   []error

	process Handler // the whole chain; set by Run
	lanes   atomic.Pointer[lanes]
}

// New returns an App that processes what t delivers.
func New(t Transport, opts ...Option) *App {
	a := &App{transport: t, cfg: defaults()}
	if t == nil {
		a.mistakes = append(a.mistakes, errors.New("eds: New: the transport is nil"))
	}
	for _, opt := range opts {
		if opt == nil {
			a.mistakes = append(a.mistakes, errors.New("eds: New: an option is nil"))
			continue
		}
		opt(&a.cfg)
	}
	return a
}

// Use appends middleware to the chain around all handlers: the first added is
// the outermost.
func (a *App) Use(mws ...Middleware) {
	for i, m := range mws {
		if m == nil {
			a.mistakes = append(a.mistakes, fmt.Errorf("eds: Use: middleware %d is nil", len(a.middleware)+i+1))
		}
	}
	a.middleware = append(a.middleware, slices.DeleteFunc(slices.Clone(mws), func(m Middleware) bool { return m == nil })...)
}

// Handle registers h for a pattern of event types: an exact type such as
// "TENANT_ONBOARDED", a prefix such as "TENANT_*", or "*" for whatever no
// other pattern takes. The exact type wins, then the longest prefix. An event
// that no pattern takes is acknowledged and counted as Unsupported.
//
// mws wrap this handler only, inside of what Use installed.
func (a *App) Handle(pattern string, h Handler, mws ...Middleware) {
	if h == nil {
		a.mistakes = append(a.mistakes, fmt.Errorf("eds: Handle: the handler for %q is nil", pattern))
		return
	}
	if slices.ContainsFunc(mws, func(m Middleware) bool { return m == nil }) {
		a.mistakes = append(a.mistakes, fmt.Errorf("eds: Handle: a middleware for %q is nil", pattern))
		return
	}
	a.mistakes = append(a.mistakes, checkOrder(mws)...)
	if err := a.routes.add(pattern, chain(mws, h)); err != nil {
		a.mistakes = append(a.mistakes, err)
	}
}

// Validate returns all mistakes in the wiring and the settings, joined, or
// nil. Run calls it first, so call it only where starting is not wanted yet,
// as in a test.
func (a *App) Validate() error {
	mistakes := slices.Concat(a.mistakes, a.cfg.mistakes)
	if a.routes.empty() {
		mistakes = append(mistakes, errors.New(`eds: no handler is registered; Handle("*", h) takes every type`))
	}
	mistakes = append(mistakes, checkOrder(a.middleware)...)
	if v, ok := a.transport.(Validator); ok {
		mistakes = append(mistakes, v.Validate())
	}
	return errors.Join(mistakes...)
}

// Run receives and processes events until ctx ends or the transport gives up
// for good. It then takes nothing new, gives back what had not begun, lets
// running handlers finish for as long as DrainTimeout says, sends the last
// acknowledgements and closes the transport.
//
// It returns nil when ctx ended and everything was finished; a *DrainError
// when handlers had to be interrupted; and the transport's final error, such
// as an *AuthError or a *ConfigError, when there was one. Without a valid
// wiring it returns Validate's error and dials nothing. It can be called once.
//
// The values of ctx reach the handlers; its end does not.
func (a *App) Run(ctx context.Context) error {
	if err := a.Validate(); err != nil {
		return err
	}
	works, interrupt := context.WithCancelCause(context.WithoutCancel(ctx))
	defer interrupt(nil)
	receives, stopReceiving := context.WithCancel(ctx)
	defer stopReceiving()

	l := newLanes(receives, works, a)
	if !a.lanes.CompareAndSwap(nil, l) {
		return errors.New("eds: Run was called before; an App runs once")
	}
	defer l.watch.end()
	a.process = chain(a.middleware, a.dispatch)

	// Whoever waits for room must see the end, too.
	wake := context.AfterFunc(receives, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.room.Broadcast()
	})
	defer wake()

	go l.receive()
	<-l.receiverDone
	stopReceiving() // after a final error, too: nothing more begins
	drained := a.drain(l, interrupt)

	closing, cancel := context.WithTimeout(l.settles, closeTimeout)
	defer cancel()
	if err := a.transport.Close(closing); err != nil && l.receiverErr == nil {
		a.cfg.log.WarnContext(closing, "the connection was not closed cleanly", "err", err)
	}
	return errors.Join(l.receiverErr, drained)
}

// drain gives back what waits, and waits for what runs.
func (a *App) drain(l *lanes, interrupt context.CancelCauseFunc) error {
	left := l.drain()
	timeout := time.NewTimer(a.cfg.drainTimeout)
	defer timeout.Stop()
	a.giveBack(l, left)
	select {
	case <-l.quiet:
		return nil
	case <-timeout.C:
		select {
		case <-l.quiet: // both at once, as with a zero time-out
			return nil
		default:
		}
	}
	interrupt(ErrShutdown)
	timeout.Reset(interruptGrace)
	select {
	case <-l.quiet:
	case <-timeout.C:
	}
	left = l.giveUp()
	failed := &DrainError{After: a.cfg.drainTimeout}
	for _, r := range left {
		failed.Events = append(failed.Events, r.event.ID)
		failed.Types = append(failed.Types, r.event.Type)
	}
	return failed
}

// giveBack settles runs that never began. The service takes them back by
// itself sooner or later, so a transport that has to ask for it, and gets no
// answer, may not hold up the shutdown.
func (a *App) giveBack(l *lanes, left []*run) {
	ctx, cancel := context.WithTimeout(l.settles, closeTimeout)
	defer cancel()
	for _, r := range left {
		l.settle(ctx, r, r.later, &Settled{Outcome: Redelivered})
		l.mu.Lock()
		l.outcomes[Redelivered] += uint64(1 + len(r.later))
		l.mu.Unlock()
	}
}

// dispatch is the innermost handler: it finds the one for the event's type.
func (a *App) dispatch(ctx context.Context, e *Event) error {
	if r := runOf(ctx); r != nil && r.verdict != nil {
		return r.verdict
	}
	h := a.routes.lookup(e.Type)
	if h == nil {
		return ErrUnsupported
	}
	return h(ctx, e)
}

// DrainError says that a shutdown ran out of time and interrupted handlers.
// Their events are not acknowledged and come again. Test for it with
// errors.As.
type DrainError struct {
	// After is the drain time-out.
	After time.Duration
	// Events and Types name the events whose handlers did not return even
	// when they were interrupted; empty when all of them did.
	Events, Types []string
}

func (e *DrainError) Error() string {
	if len(e.Events) == 0 {
		return fmt.Sprintf("eds: shutdown interrupted handlers after %s", e.After)
	}
	return fmt.Sprintf("eds: shutdown interrupted handlers after %s; still running: events %q of types %q", e.After, e.Events, e.Types)
}

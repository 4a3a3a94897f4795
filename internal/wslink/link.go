package wslink

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/wsconn"
)

// Session is a protocol's side of a connection: a struct that embeds *Line.
type Session interface{ line() *Line }

// Config is what a Link must know of the service. All of it but Prepare and
// Left is needed.
type Config[S Session] struct {
	Settings
	// Package is the transport's, for errors. Kind and Name say what is
	// connected to, as in: queue "orders".
	Package, Kind, Name string
	// Host and Shown are the parts of the address that may be shown.
	Host, Shown string
	// Request is what to dial with a key; the key may be in either.
	Request func(key string) (url string, header http.Header)
	// Prepare is called before each dial, when no session is left. Its error
	// is like that of a failed dial, final when it is an *eds.ConfigError.
	Prepare func(context.Context) error
	// Open makes the session of a new connection.
	Open func(*Line) S
	// Judge says what an ending means that has a Status or a Code; it may
	// set the alarm, the least pause and the note too.
	Judge func(*Ending) Class
	// Left is told when a session has ended.
	Left func(S)
}

// Link holds one connection at most, and closes it before it opens the next
// one. Do is for one goroutine at a time; the rest may be called at any time.
type Link[S Session] struct {
	Config[S]
	// Client makes the handshakes.
	Client *http.Client

	session atomic.Pointer[S]
	dialed  atomic.Pointer[string] // the address, which may hold the key
	done    chan struct{}          // closed by Close

	// Of the goroutine in Do.
	backoff   *wsconn.Backoff
	standby   wsconn.Standby
	keeper    *leaseKeeper // nil without a lease
	rekeyed   bool         // the last try was with a key that replaced a refused one
	notBefore time.Time
	watched   <-chan struct{} // of the context whose end interrupts reading

	mu       sync.Mutex // guards what follows
	unwatch  func() bool
	closed   bool
	final    error
	lastErr  error
	state    eds.State
	since    time.Time
	connects uint64
	lastRead time.Time // of the sessions that have ended
}

// New returns a link that has dialed nothing yet. The settings must be valid.
func New[S Session](c Config[S]) *Link[S] {
	l := &Link[S]{
		Config:  c,
		Client:  c.httpClient(),
		backoff: wsconn.NewBackoff(c.BackoffMin, c.BackoffMax),
		standby: wsconn.Standby{Steady: c.Patient},
		done:    make(chan struct{}),
		since:   time.Now(),
	}
	l.keeper = newLeaseKeeper(&c.Settings, c.Package, c.Kind, c.Name, l.alive)
	return l
}

// Session returns the present session, if there is one.
func (l *Link[S]) Session() (s S, ok bool) {
	if p := l.session.Load(); p != nil {
		return *p, true
	}
	return s, false
}

// Ended tells whether the link was closed.
func (l *Link[S]) Ended() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// Do has f called with the present session until it returns nil, over as many
// connections as it takes: an error of f ends the session. The error of Do is
// final: ctx's error when ctx ended, which costs neither the connection nor a
// message; an *eds.AuthError when the key was refused; an *eds.ConfigError
// when the address was.
func (l *Link[S]) Do(ctx context.Context, f func(S) error) error {
	l.watch(ctx)
	for {
		if err := ctx.Err(); err != nil {
			l.keeper.want(false)
			return err
		}
		p := l.session.Load()
		if p == nil {
			if err := l.refusedOrClosed(); err != nil {
				return err
			}
			if err := l.connect(ctx); err != nil {
				return err
			}
			continue
		}
		err := f(*p)
		if err == nil {
			return nil
		}
		if conn := (*p).line().Conn; errors.Is(err, wsconn.ErrInterrupted) && conn.Err() == nil {
			if ctx.Err() == nil {
				conn.Resume() // that was for an earlier context
			}
			continue
		}
		l.keeper.want(true) // soon, in connect
		if err := l.lost(ctx, p, err); err != nil {
			return err
		}
	}
}

// watch has the end of ctx interrupt the wait for the network. It costs nothing
// as long as the context stays the same.
func (l *Link[S]) watch(ctx context.Context) {
	done := ctx.Done()
	if done == l.watched {
		return
	}
	l.watched = done
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unwatch != nil {
		l.unwatch()
	}
	l.unwatch = context.AfterFunc(ctx, func() {
		if p := l.session.Load(); p != nil {
			(*p).line().Conn.Interrupt()
		}
	})
}

func (l *Link[S]) refusedOrClosed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return l.errClosed()
	}
	return l.final
}

// errClosed is what Do returns after Close.
func (l *Link[S]) errClosed() error { return &closedError{l.Package} }

type closedError struct{ pkg string }

func (e *closedError) Error() string { return e.pkg + ": transport is closed" }

// Close ends the link: Do returns, now and in future. Where a session is left,
// which is still connected, finish ends it. Then the lease is released, so that
// who takes it finds the door open. Only the first call does anything.
func (l *Link[S]) Close(ctx context.Context, finish func(S) error) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	close(l.done)
	l.enter(eds.Closed)
	if l.unwatch != nil {
		l.unwatch()
	}
	l.mu.Unlock()
	defer l.keeper.stop(ctx)
	if l.session.Load() != nil {
		l.keeper.want(true) // the lease, until the connection is closed
	}
	p := l.session.Swap(nil)
	if p == nil {
		return nil
	}
	defer l.account(*p)
	return finish(*p)
}

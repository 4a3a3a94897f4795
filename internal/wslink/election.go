package wslink

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/internal/wsconn"
	"github.com/eventdelivery/eds-go/transport/lease"
)

// stand is what the store said last.
type stand uint8

const (
	unknown stand = iota // nothing, or what is no longer true
	mine
	theirs
	unreachable
)

// election asks for a lease as long as the link wants a connection or has one.
// Only its goroutine asks the store; it runs from the first start to stop.
type election struct {
	lease     lease.Lease
	log       *slog.Logger
	of        []any // which link it is, for the log
	errTheirs func(holder string) error
	connected func() bool

	starting sync.Once
	end      context.CancelFunc
	wake     chan struct{} // holds one: there is a reason to look at once
	done     chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex // guards what follows
	now     view
	until   time.Time // until when the lease may be ours
	wanted  bool      // the link is about to dial
	vain    time.Time // since when the lease has been held without a connection
	yielded time.Time // until when nobody is to dial
	rested  time.Time // until when the lease is left to others
	blind   bool      // the store was out of reach when last asked
	theirs  bool      // somebody else had the lease when last seen
}

// view is how the election stands.
type view struct {
	stand stand
	err   error         // says who has the lease, when it is another's
	next  time.Time     // when there is news at the latest, but for the call to the store
	news  chan struct{} // closed when there is
}

func newElection(s *Settings, pkg, kind, name string, connected func() bool) *election {
	if s.Lease == nil {
		return nil
	}
	return &election{
		lease: s.Lease, log: s.Log, of: []any{kind, name}, connected: connected,
		errTheirs: func(holder string) error {
			by := "another receiver"
			if holder != "" {
				by += ", " + Spoken(holder, "") + ","
			}
			return errors.New(pkg + ": " + by + " has the lease of " + kind + " " + wsconn.Quote(name, reasonLimit))
		},
		wake: make(chan struct{}, 1), done: make(chan struct{}),
		now: view{news: make(chan struct{})},
	}
}

func (e *election) start() {
	e.starting.Do(func() {
		ctx, end := context.WithCancel(context.Background())
		e.mu.Lock()
		e.end = end
		e.mu.Unlock()
		go e.run(ctx)
	})
}

// stop ends the election, and releases the lease within ctx and a call's time.
func (e *election) stop(ctx context.Context) {
	if e == nil {
		return
	}
	e.starting.Do(func() { close(e.done) }) // never begun, never to begin
	e.mu.Lock()
	end := e.end
	e.mu.Unlock()
	if end == nil {
		return
	}
	end()
	ctx, cancel := context.WithTimeout(ctx, lease.Renewal)
	defer cancel()
	select {
	case <-e.done:
		e.release(ctx)
	case <-ctx.Done(): // the store hangs; the lease ends by itself
	}
}

func (e *election) view() view {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now
}

// want says whether the link is about to dial.
func (e *election) want(yes bool) {
	if e == nil {
		return
	}
	e.mu.Lock()
	changed := e.wanted != yes
	e.wanted = yes
	if changed {
		e.now.next = time.Now()
	}
	e.mu.Unlock()
	if changed && yes {
		e.look()
	}
}

// yield gives the lease up, as the service has refused its holder, in such a
// way that nobody else runs into the same refusal before the pause is over.
// Then one that is connected without the lease asks first.
func (e *election) yield(pause time.Duration) {
	if e == nil {
		return
	}
	e.mu.Lock()
	holds := e.now.stand == mine
	if holds {
		e.yielded = time.Now().Add(pause)
		e.settle(unknown, nil)
	}
	e.mu.Unlock()
	if holds {
		e.look()
	}
}

func (e *election) look() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// settle notes how it stands. The caller holds the lock.
func (e *election) settle(s stand, err error) {
	e.now.stand, e.now.err = s, err
	close(e.now.news)
	e.now.news = make(chan struct{})
}

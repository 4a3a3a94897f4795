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

// leaseKeeper asks for a lease as long as the link wants a connection or has one.
// Only its goroutine asks the store; it runs from the first start to stop.
type leaseKeeper struct {
	lease     lease.Lease
	log       *slog.Logger
	of        []any // which link it is, for the log
	errTheirs func(holder string) error
	connected func() bool

	starting sync.Once
	end      context.CancelFunc
	wake     chan struct{} // holds one: there is a reason to look at once
	done     chan struct{} // closed when the goroutine has ended

	mu         sync.Mutex // guards what follows
	now        view
	until      time.Time // until when the lease may be ours
	wanted     bool      // the link is about to dial
	heldSince  time.Time // since when the lease has been held without a connection
	yieldUntil time.Time // until when nobody is to dial
	restUntil  time.Time // until when the lease is left to others
	blind      bool      // the store was out of reach when last asked
	theirs     bool      // somebody else had the lease when last seen
}

// view is what the keeper knows of the lease.
type view struct {
	stand stand
	err   error         // says who has the lease, when it is another's
	next  time.Time     // when there is news at the latest, but for the call to the store
	news  chan struct{} // closed when there is
}

func newLeaseKeeper(s *Settings, pkg, kind, name string, connected func() bool) *leaseKeeper {
	if s.Lease == nil {
		return nil
	}
	return &leaseKeeper{
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

func (k *leaseKeeper) start() {
	k.starting.Do(func() {
		ctx, end := context.WithCancel(context.Background())
		k.mu.Lock()
		k.end = end
		k.mu.Unlock()
		go k.run(ctx)
	})
}

// stop ends the keeper, and releases the lease within ctx and a call's time.
func (k *leaseKeeper) stop(ctx context.Context) {
	if k == nil {
		return
	}
	k.starting.Do(func() { close(k.done) }) // never begun, never to begin
	k.mu.Lock()
	end := k.end
	k.mu.Unlock()
	if end == nil {
		return
	}
	end()
	ctx, cancel := context.WithTimeout(ctx, lease.Renewal)
	defer cancel()
	select {
	case <-k.done:
		k.release(ctx)
	case <-ctx.Done(): // the store hangs; the lease ends by itself
	}
}

func (k *leaseKeeper) view() view {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now
}

// want says whether the link is about to dial.
func (k *leaseKeeper) want(yes bool) {
	if k == nil {
		return
	}
	k.mu.Lock()
	changed := k.wanted != yes
	k.wanted = yes
	if changed {
		k.now.next = time.Now()
	}
	k.mu.Unlock()
	if changed && yes {
		k.look()
	}
}

// yield gives the lease up, as the service has refused its holder, in such a
// way that nobody else runs into the same refusal before the pause is over.
// Then one that is connected without the lease asks first.
func (k *leaseKeeper) yield(pause time.Duration) {
	if k == nil {
		return
	}
	k.mu.Lock()
	holds := k.now.stand == mine
	if holds {
		k.yieldUntil = time.Now().Add(pause)
		k.settle(unknown, nil)
	}
	k.mu.Unlock()
	if holds {
		k.look()
	}
}

func (k *leaseKeeper) look() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// settle notes how it stands. The caller holds the lock.
func (k *leaseKeeper) settle(s stand, err error) {
	k.now.stand, k.now.err = s, err
	close(k.now.news)
	k.now.news = make(chan struct{})
}

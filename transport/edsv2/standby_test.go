package edsv2_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/transport/edsv2"
	"github.com/eventdelivery/eds-go/transport/lease"
)

// place is an EDS in a bubble of simulated time.
type place struct {
	*testing.T
	*edstest.Server
	leases lease.Memory
	log    record
}

// record keeps what was logged.
type record struct {
	mu   sync.Mutex
	text strings.Builder
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

// count tells how often a line with what was logged.
func (r *record) count(what string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Count(r.text.String(), what)
}

func inPlace(t *testing.T, test func(*place), opts ...edstest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &place{T: t, Server: edstest.NewServer(append([]edstest.Option{edstest.Queues("orders", "bills", "mails")}, opts...)...)}
		defer p.Server.Close()
		test(p)
	})
}

func (p *place) transport(queue string, opts ...edsv2.Option) *edsv2.Transport {
	return edsv2.New(p.URL(), queue, append([]edsv2.Option{edsv2.APIKey(edstest.DefaultKey), edsv2.DialContext(p.DialContext),
		edsv2.Logger(slog.New(slog.NewTextHandler(&p.log, nil)))}, opts...)...)
}

// read has tr receive until the end of what it returns.
func (p *place) read(tr *edsv2.Transport) (stop func()) {
	ctx, cancel := context.WithCancel(p.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			d, err := tr.Receive(ctx)
			if err != nil {
				return
			}
			_ = tr.Ack(ctx, d)
		}
	})
	return func() {
		cancel()
		wg.Wait()
		if err := tr.Close(p.Context()); err != nil {
			p.Error(err)
		}
	}
}

func (p *place) want(what string, tr *edsv2.Transport, state eds.State) {
	p.Helper()
	if st := tr.Status(); st.State != state {
		p.Errorf("%s: %v, want %v: %v", what, st.State, state, st.Err)
	}
}

// connected waits until somebody reads the queue.
func (p *place) connected(queue string) error {
	ctx, cancel := context.WithTimeout(p.Context(), time.Minute)
	defer cancel()
	return p.WaitConnected(ctx, queue)
}

// refusals counts the dials that were answered with 409.
func (p *place) refusals() (n int) {
	for _, r := range p.History() {
		if r.Op == edstest.OpRefuse && r.Code == 409 {
			n++
		}
	}
	return n
}

func TestStandbyTriesEachSecondForEver(t *testing.T) {
	faults.Covers(t, "A4")
	for name, row := range map[string]struct {
		opts        []edsv2.Option
		least, most int // tries in an hour
	}{
		"without": {nil, 100, 200},
		"with":    {[]edsv2.Option{edsv2.Standby()}, 3000, 3600},
	} {
		t.Run(name, func(t *testing.T) {
			inPlace(t, func(p *place) {
				t := p.T
				first, second := p.transport("orders"), p.transport("orders", row.opts...)
				stopFirst := p.read(first)
				synctest.Wait()
				stop := p.read(second)
				time.Sleep(time.Hour) // fake time: the queue is held
				p.want("the second", second, eds.Standby)
				if n := p.refusals(); n < row.least || n > row.most {
					t.Errorf("%d tries in an hour, want %d to %d", n, row.least, row.most)
				}
				if n := p.log.count("held by another client"); row.opts != nil && n != 1 {
					t.Errorf("it was logged %d times", n)
				}
				stopFirst()
				if row.opts != nil {
					began := time.Now()
					if err := p.connected("orders"); err != nil {
						t.Fatal(err)
					}
					if took := time.Since(began); took > 1300*time.Millisecond {
						t.Errorf("it took over after %v", took)
					}
					time.Sleep(10 * time.Second) // fake time: the service may still refuse it by a close code
					p.want("the second", second, eds.Connected)
				}
				stop()
			})
		})
	}
}

func TestOnlyTheHolderDials(t *testing.T) {
	faults.Covers(t, "F1")
	inPlace(t, func(p *place) {
		t := p.T
		a := p.transport("orders", edsv2.Lease(p.leases.Holder("orders", "host-a/1")))
		b := p.transport("orders", edsv2.Lease(p.leases.Holder("orders", "host-b\n/2")))
		stopA := p.read(a)
		synctest.Wait()
		stopB := p.read(b)
		time.Sleep(time.Hour) // fake time: nothing happens
		p.want("the holder", a, eds.Connected)
		p.want("the other", b, eds.Standby)
		if err := b.Status().Err; err == nil || err.Error() != `edsv2: another receiver, "host-a/1", has the lease of queue "orders"` {
			t.Errorf("it stands by because of %v", err)
		}
		if n := p.refusals(); n != 0 {
			t.Errorf("%d dials in vain", n)
		}
		began := time.Now()
		stopA()
		if err := p.connected("orders"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 1500*time.Millisecond {
			t.Errorf("it took over after %v", took)
		}
		if n := p.refusals(); n != 0 {
			t.Errorf("%d dials in vain: the lease was released before the connection was closed", n)
		}
		c := p.transport("orders", edsv2.Lease(p.leases.Holder("orders", "host-c/3")))
		stopC := p.read(c)
		time.Sleep(2 * time.Second) // fake time: to look
		if err := c.Status().Err; err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("what it calls itself can forge log lines: %q", err)
		}
		stopC()
		stopB()
		if n := p.log.count("has the lease of queue"); n > 4 {
			t.Errorf("it was logged %d times who has the lease", n)
		}
	})
}

// broken is a lease whose store can be broken.
type broken struct {
	lease.Lease
	mu       sync.Mutex
	err      error
	hangs    chan struct{} // until it is closed, whatever the context says
	released func()
}

func (b *broken) reach() error {
	b.mu.Lock()
	err, hangs := b.err, b.hangs
	b.mu.Unlock()
	if hangs != nil {
		<-hangs
	}
	return err
}

func (b *broken) is(err error, hangs chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err, b.hangs = err, hangs
}

func (b *broken) Take(ctx context.Context, term time.Duration) (lease.Claim, error) {
	if err := b.reach(); err != nil {
		return lease.Claim{}, err
	}
	return b.Lease.Take(ctx, term)
}

func (b *broken) Release(ctx context.Context) error {
	if b.released != nil {
		b.released()
	}
	if err := b.reach(); err != nil {
		return err
	}
	return b.Lease.Release(ctx)
}

// A store out of reach, and one that hangs for ever whatever its caller says,
// stop neither the first dial, nor the connection, nor Close.
func TestAStoreOutOfReachStopsNobody(t *testing.T) {
	faults.Covers(t, "F2")
	for _, hangs := range []bool{false, true} {
		t.Run(fmt.Sprint("hangs ", hangs), func(t *testing.T) {
			inPlace(t, func(p *place) {
				t := p.T
				thaw := make(chan struct{})
				defer close(thaw)
				l := &broken{Lease: p.leases.Holder("orders", "a"), err: errors.New("connection refused")}
				if hangs {
					l.is(nil, thaw)
				}
				tr := p.transport("orders", edsv2.Lease(l))
				began := time.Now()
				stop := p.read(tr)
				if err := p.connected("orders"); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > 3*time.Second {
					t.Errorf("connected after %v", took)
				}
				time.Sleep(time.Hour) // fake time: nothing happens
				p.want("without a store", tr, eds.Connected)
				if n := p.log.count("out of reach"); !hangs && n != 1 {
					t.Errorf("it was logged %d times", n)
				}
				began = time.Now()
				stop()
				if took := time.Since(began); took > lease.Renewal {
					t.Errorf("Close took %v", took)
				}
			})
		})
	}
}

// A receiver that comes to know of the lease only when it is connected takes
// it then, and one that loses it stays connected.
func TestWhoIsConnectedStaysConnected(t *testing.T) {
	faults.Covers(t, "F2", "F15")
	inPlace(t, func(p *place) {
		t := p.T
		l := &broken{Lease: p.leases.Holder("orders", "a"), err: errors.New("connection refused")}
		tr := p.transport("orders", edsv2.Lease(l))
		stop := p.read(tr)
		time.Sleep(time.Minute) // fake time: without a store
		p.want("without a store", tr, eds.Connected)
		l.is(nil, nil)
		other := p.leases.Holder("orders", "other")
		time.Sleep(2 * time.Second) // fake time: to ask again
		if c, err := other.Take(t.Context(), time.Minute); c.Holder != "a" || err != nil {
			t.Errorf("%+v, %v: the one that is connected has not taken the lease", c, err)
		}
		p.leases.Wipe()
		if c, err := other.Take(t.Context(), time.Minute); !c.Held || err != nil {
			t.Fatal(c, err)
		}
		time.Sleep(30 * time.Second) // fake time: it has lost it
		p.want("without the lease", tr, eds.Connected)
		if st := tr.Status(); st.Connects != 1 {
			t.Errorf("%d connections", st.Connects)
		}
		time.Sleep(31 * time.Second) // fake time: the other's ends
		if c, err := other.Take(t.Context(), time.Minute); c.Holder != "a" || err != nil {
			t.Errorf("%+v, %v: it has not taken the lease again", c, err)
		}
		stop()
		for what, want := range map[string]int{"out of reach": 1, "is back": 1, "lost the lease, stays connected": 1, "has the lease now": 1} {
			if n := p.log.count(what); n != want {
				t.Errorf("%q was logged %d times, want %d", what, n, want)
			}
		}
	})
}

// Who is refused for good, or does not ask for events any more, leaves the
// lease to others at once.
func TestWhoDoesNotReadLeavesTheLease(t *testing.T) {
	for name, row := range map[string]struct {
		key   string
		leave func(*place, func())
	}{
		"refused for good": {key: "wrong", leave: func(*place, func()) { synctest.Wait() }},
		"not receiving, without a connection": {key: edstest.DefaultKey, leave: func(p *place, cancel func()) {
			cancel() // an App that drains
			synctest.Wait()
			p.Break(edstest.Drop())
			time.Sleep(3 * time.Second) // fake time: to ping, and to look
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inPlace(t, func(p *place) {
				t := p.T
				tr := p.transport("orders", edsv2.APIKey(row.key), edsv2.PingInterval(time.Second), edsv2.Lease(p.leases.Holder("orders", "a")))
				ctx, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				wg.Go(func() { tr.Receive(ctx) })
				synctest.Wait()
				row.leave(p, cancel)
				if c, err := p.leases.Holder("orders", "b").Take(t.Context(), lease.Term); !c.Held || err != nil {
					t.Errorf("%+v, %v", c, err)
				}
				cancel()
				wg.Wait()
				_ = tr.Close(t.Context()) // of a connection that is lost
			})
		})
	}
}

// The lease is kept as long as the service does not answer the close frame.
func TestTheLeaseOutlivesASlowClose(t *testing.T) {
	inPlace(t, func(p *place) {
		t := p.T
		l := &broken{Lease: p.leases.Holder("orders", "a")}
		tr := p.transport("orders", edsv2.Lease(l))
		var released time.Time
		l.released = func() { released = time.Now() }
		stop := p.read(tr)
		time.Sleep(time.Minute) // fake time: it reads
		p.Break(edstest.Mute())
		began := time.Now()
		stop()
		if took := time.Since(began); took < 2*time.Second || released.Sub(began) != took {
			t.Errorf("closed after %v, released after %v", took, released.Sub(began))
		}
	})
}

// The lease is released when the queue is free, not before.
func TestTheLeaseIsReleasedLast(t *testing.T) {
	inPlace(t, func(p *place) {
		t := p.T
		l := &broken{Lease: p.leases.Holder("orders", "a")}
		tr := p.transport("orders", edsv2.Lease(l))
		released := 0
		l.released = func() {
			released++
			if h := p.History(); h[len(h)-1].Op != edstest.OpDisconnect {
				t.Errorf("released after %v", h[len(h)-1])
			}
			p.want("at the release", tr, eds.Closed)
		}
		stop := p.read(tr)
		time.Sleep(time.Minute) // fake time: it reads
		stop()
		if released != 1 {
			t.Errorf("released %d times", released)
		}
		if err := tr.Close(t.Context()); err != nil || released != 1 {
			t.Errorf("closed again: %v, released %d times", err, released)
		}
	})
}

// Each queue of a process has a state of its own, and so has each App's
// health: one reads, one stands by, one is refused for good.
func TestEachQueueStandsForItself(t *testing.T) {
	faults.Covers(t, "E10")
	inPlace(t, func(p *place) {
		t := p.T
		other := p.leases.Holder("bills", "another/7")
		if c, err := other.Take(t.Context(), time.Hour); !c.Held || err != nil {
			t.Fatal(c, err)
		}
		p.OnDial(edstest.Refuse(403), edstest.ForQueue("mails"), edstest.Always())
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		apps := map[string]*eds.App{}
		errs := map[string]error{}
		var mu sync.Mutex
		for _, queue := range []string{"orders", "bills", "mails"} {
			tr := p.transport(queue, edsv2.Lease(p.leases.Holder(queue, "self/1")))
			app := eds.New(tr, eds.Logger(slog.New(slog.NewTextHandler(io.Discard, nil))))
			app.Handle("T", func(context.Context, *eds.Event) error { return nil })
			apps[queue] = app
			wg.Go(func() {
				err := app.Run(ctx)
				mu.Lock()
				defer mu.Unlock()
				errs[queue] = err
			})
		}
		time.Sleep(10 * time.Second) // fake time: all has been tried
		for queue, want := range map[string]struct {
			state       eds.State
			ready, live bool
		}{
			"orders": {eds.Connected, true, true},
			"bills":  {eds.Standby, true, true},
			"mails":  {eds.Refused, false, false},
		} {
			h := apps[queue].Health()
			if h.Transport.State != want.state || h.Ready() != want.ready || h.Live() != want.live {
				t.Errorf("%s: %v, ready %v, live %v, want %+v", queue, h.Transport.State, h.Ready(), h.Live(), want)
			}
		}
		if err := apps["bills"].Health().Transport.Err; err == nil || !strings.Contains(err.Error(), "another/7") {
			t.Errorf("the health of the one that stands by says %v", err)
		}
		if err := other.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond) // fake time: to take over
		if st := apps["bills"].Health().Transport.State; st != eds.Connected {
			t.Errorf("bills, freed: %v", st)
		}
		cancel()
		wg.Wait()
		if _, ok := errors.AsType[*eds.AuthError](errs["mails"]); !ok || errs["orders"] != nil || errs["bills"] != nil {
			t.Errorf("they ended with %v", errs)
		}
	})
}

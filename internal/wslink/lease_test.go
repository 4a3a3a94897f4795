package wslink

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/transport/lease"
)

// receiver is a leaseKeeper in a bubble of simulated time.
func receiver(t *testing.T, l lease.Lease, connected bool) *leaseKeeper {
	e := newLeaseKeeper(&Settings{Lease: l, Log: slog.New(slog.DiscardHandler)}, "wslink", "queue", "orders", func() bool { return connected })
	t.Cleanup(func() { e.stop(context.Background()) })
	e.want(true)
	e.start()
	synctest.Wait()
	return e
}

func (k *leaseKeeper) stands(t *testing.T, want stand) {
	t.Helper()
	if got := k.view().stand; got != want {
		t.Errorf("the store says %v, want %v", got, want)
	}
}

// scripted is a lease whose calls are seen first by what a test has set.
type scripted struct {
	lease.Lease
	take, release func(context.Context) error
}

func (s *scripted) Take(ctx context.Context, term time.Duration) (lease.Claim, error) {
	if s.take != nil {
		if err := s.take(ctx); err != nil {
			return lease.Claim{}, err
		}
	}
	return s.Lease.Take(ctx, term)
}

func (s *scripted) Release(ctx context.Context) error {
	if s.release != nil {
		if err := s.release(ctx); err != nil {
			return err
		}
	}
	return s.Lease.Release(ctx)
}

// Who is connected without the lease gets it at the first refusal of another,
// however many stand by: else one after the other would dial in vain.
func TestWhoIsConnectedAsksFirst(t *testing.T) {
	for range 20 { // those who stand by ask at random
		synctest.Test(t, func(t *testing.T) {
			var store lease.Memory
			holds := receiver(t, store.Holder("orders", "holds"), false)
			reads := receiver(t, store.Holder("orders", "reads"), true)
			waits := receiver(t, store.Holder("orders", "waits"), false)
			time.Sleep(10 * time.Second) // fake time: nothing changes
			holds.stands(t, mine)
			holds.yield(time.Second)                    // as at a 409
			time.Sleep(time.Second + lease.Renewal/100) // fake time: the pause is over
			reads.stands(t, mine)
			time.Sleep(lease.Renewal) // fake time: for the others to look
			holds.stands(t, theirs)
			waits.stands(t, theirs)
		})
	}
}

// A refusal that comes while the lease is extended is not overlooked.
func TestARefusalDuringATakeCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var store lease.Memory
		l := &scripted{Lease: store.Holder("orders", "a")}
		asks := make(chan struct{})
		l.take = func(context.Context) error {
			select {
			case asks <- struct{}{}:
			default:
			}
			time.Sleep(100 * time.Millisecond) // fake time: the store is slow
			return nil
		}
		e := receiver(t, l, false)
		time.Sleep(10 * time.Second) // fake time: it has the lease
		e.stands(t, mine)
		<-asks
		e.yield(500 * time.Millisecond)
		time.Sleep(200 * time.Millisecond) // fake time: it has the answer, and has asked again
		synctest.Wait()
		e.stands(t, unknown)
		if c, err := store.Holder("orders", "b").Take(t.Context(), lease.Term); c.Held || c.Left > 500*time.Millisecond || err != nil {
			t.Errorf("%+v, %v: it has not given the lease up", c, err)
		}
	})
}

// A release that the end of the keeper cuts off is made up for.
func TestStopReleasesWhatWasNotReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var store lease.Memory
		l := &scripted{Lease: store.Holder("orders", "a")}
		e := receiver(t, l, false)
		calls := 0
		l.release = func(ctx context.Context) error {
			if calls++; calls > 1 {
				return nil
			}
			<-ctx.Done()
			return errors.New("interrupted")
		}
		e.want(false)
		time.Sleep(lease.Renewal) // fake time: to see that nobody wants it
		synctest.Wait()
		if calls != 1 {
			t.Fatalf("%d calls", calls)
		}
		e.stop(t.Context())
		if c, err := store.Holder("orders", "b").Take(t.Context(), lease.Term); !c.Held || err != nil {
			t.Errorf("%+v, %v: the lease is left to end by itself", c, err)
		}
	})
}

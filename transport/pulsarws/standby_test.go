package pulsarws

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/internal/linktest"
	"github.com/eventdelivery/eds-go/transport/lease"
)

// Of two consumers with a lease only its holder dials; the other one takes
// over when it leaves, with all that it had not acknowledged.
func TestOnlyTheHolderOfALeaseDials(t *testing.T) {
	faults.Covers(t, "F1")
	bubble(t, func(t *testing.T) {
		var leases lease.Memory
		s := newStandIn(t)
		s.publish("m0", "m1")
		first := s.consumer(Lease(leases.Holder("aSub", "first")))
		second := s.consumer(Lease(leases.Holder("aSub", "second")))
		got := take(t, first, 2)
		ackIt(t, first, got[0])
		leave := receiving(t, first)
		until(t, second, 10*time.Minute)
		if st := second.Status(); st.State != eds.Standby || st.Connects != 0 || st.Err == nil {
			t.Errorf("%+v", st)
		}
		leave()
		start := time.Now()
		expect(t, take(t, second, 1), "m1")
		if took := time.Since(start); took > 1500*time.Millisecond {
			t.Errorf("took over after %v", took)
		}
	})
}

// receiving has c wait for messages until it is told to leave.
func receiving(t *testing.T, c *Consumer) (leave func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { c.Receive(ctx) })
	synctest.Wait()
	return func() {
		cancel()
		wg.Wait()
		c.Close(t.Context())
	}
}

// With Standby the pauses do not grow, however long another one has it.
func TestStandbyTriesEachSecond(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newStandIn(t)
		first, second := s.consumer(), s.consumer(Standby())
		leave := receiving(t, first)
		until(t, second, 10*time.Minute)
		leave()
		s.publish("m0")
		start := time.Now()
		expect(t, take(t, second, 1), "m0")
		if took := time.Since(start); took > 1500*time.Millisecond {
			t.Errorf("took over after %v", took)
		}
	})
}

// What all may share is held by nobody. That a consumer is refused has another
// reason, which somebody must see to; then it goes on.
func TestASharedSubscriptionIsNotHeld(t *testing.T) {
	for _, kind := range []SubscriptionType{Shared, KeyShared} {
		bubble(t, func(t *testing.T) {
			s, log := newStandIn(t), &linktest.Journal{}
			leave := receiving(t, s.consumer())
			other := s.consumer(Subscribe(kind), Logger(log.Logger()))
			until(t, other, 10*time.Minute)
			st := other.Status()
			if st.State != eds.Connecting || st.Err == nil || !strings.Contains(st.Err.Error(), "409") || !strings.Contains(st.Err.Error(), string(kind)) {
				t.Errorf("%+v", st)
			}
			if !strings.Contains(log.String(), "ERROR") || strings.Contains(log.String(), "standing by") {
				t.Errorf("%s", log)
			}
			leave()
			s.publish("m0")
			expect(t, take(t, other, 1), "m0")
		})
	}
}

func TestALeaseIsForOneConsumer(t *testing.T) {
	var leases lease.Memory
	for kind, wrong := range map[SubscriptionType]bool{"": false, Exclusive: false, Failover: false, Shared: true, KeyShared: true} {
		c := NewConsumer("wss://pulsar.example", aTopic, aSub, Subscribe(kind), Lease(leases.Holder("x", "y")))
		got := settingsOf(t, c.Validate())
		if (len(got) == 1 && got[0] == "Lease") != wrong || len(got) > 1 {
			t.Errorf("%q: %v", kind, got)
		}
		if err := NewConsumer("wss://pulsar.example", aTopic, aSub, Subscribe(kind), Standby(), Lease(nil)).Validate(); err != nil {
			t.Error(err)
		}
	}
}

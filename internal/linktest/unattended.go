package linktest

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// unattended is what happens to a connection on which nobody receives.
func (k *kit[O]) unattended() []fault {
	return []fault{
		{"B29", k.pingsWhileBusy},
		{"B29/paused", k.pausedReaderIsNotDead},
		{"B29/broken", k.brokenConnection},
		{"cancelled", k.cancelledReceive},
	}
}

// pingsWhileBusy: while the handler of an event runs, nobody reads. Pings go
// out, and unanswered ones count only from when somebody would see the answer.
func (k *kit[O]) pingsWhileBusy(t *testing.T) {
	var pings atomic.Int64
	s := k.service(t, Accept(func(p *Peer) {
		k.send(p, 1)
		k.Serve(p, func() { pings.Add(1) })
	}))
	c := k.kind.Client(s)
	d := k.receive(t, c, 1)
	time.Sleep(time.Hour) // the handler
	k.perPings(t, pings.Load(), time.Hour)
	Ack(t, c, d)
	Until(t, c, time.Hour)
	dials(t, s, 1)
}

func (k *kit[O]) pausedReaderIsNotDead(t *testing.T) {
	s := k.service(t, k.silent())
	c := k.kind.Client(s)
	d := k.receive(t, c, 1)
	time.Sleep(time.Hour)
	state(t, c, eds.Connected)
	Ack(t, c, d) // the receipt is still good
	Until(t, c, 9*time.Second)
	dials(t, s, 1) // before the time-out of an awaited answer
	k.receive(t, c, 2)
	dials(t, s, 2) // silence was noticed
}

// cancelledReceive: a cancelled Receive costs neither the connection nor a
// message.
func (k *kit[O]) cancelledReceive(t *testing.T) {
	more := make(chan int)
	s := k.service(t, Accept(func(p *Peer) {
		for n := range more {
			k.send(p, n)
		}
		p.Rest()
	}))
	c := k.kind.Client(s)
	for range 3 {
		Until(t, c, time.Second)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Receive(ctx); err != context.Canceled {
		t.Errorf("Receive = %v", err)
	}
	more <- 1
	k.receive(t, c, 1)
	dials(t, s, 1)
	close(more)
	synctest.Wait()
	state(t, c, eds.Connected)
}

// brokenConnection: one that breaks while nobody is in Receive shows in the
// status.
func (k *kit[O]) brokenConnection(t *testing.T) {
	c := k.kind.Client(k.service(t, k.mute(1)), k.Options.WriteTimeout(time.Second), k.Options.PingInterval(time.Minute))
	if st := c.Status(); st.State != eds.Connecting || !st.LastRead.IsZero() || !st.LastEvent.IsZero() {
		t.Errorf("%+v", st)
	}
	k.receive(t, c, 1)
	if st := c.Status(); st.State != eds.Connected || st.LastRead.IsZero() || st.LastEvent.IsZero() || st.Connects != 1 {
		t.Errorf("%+v", st)
	}
	time.Sleep(2 * time.Minute)
	state(t, c, eds.Connecting)
}

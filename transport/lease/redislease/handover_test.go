package redislease_test

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/edsv2"
	"github.com/eventdelivery/eds-go/transport/lease/redislease"
)

// Two receivers of one queue, a real Redis that is frozen and wiped between
// them, and a hand-over in the end.
func TestReceiversShareAQueue(t *testing.T) {
	faults.Covers(t, "F1", "F2", "F15")
	server := redistest.Start(t)
	service := edstest.NewTestServer(t, edstest.Queues("orders"))
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	receiver := func(self string) (*edsv2.Transport, func()) {
		tr := edsv2.New(service.URL(), "orders", edsv2.APIKey(edstest.DefaultKey), edsv2.Logger(slog.New(slog.NewTextHandler(io.Discard, nil))),
			edsv2.Lease(open(t, server.Client(once), "orders", redislease.Self(self))))
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() { tr.Receive(ctx) })
		return tr, func() {
			cancel()
			wg.Wait()
			if err := tr.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	refused := func() (n int) {
		for _, r := range service.History() {
			if r.Op == edstest.OpRefuse {
				n++
			}
		}
		return n
	}
	a, closeA := receiver("a")
	if err := service.WaitConnected(ctx, "orders"); err != nil {
		t.Fatal(err)
	}
	b, closeB := receiver("b")
	until(t, "b to stand by", func() bool { return b.Status().State == eds.Standby })
	if n := refused(); n != 0 {
		t.Errorf("%d dials in vain", n)
	}

	server.Pause()
	until(t, "b to dial without Redis", func() bool { return refused() > 0 })
	server.Resume()
	server.Wipe()
	holder := func() string {
		// A holder of its own, which would get the lease if nobody had it.
		c, err := open(t, server.Client(), "orders", redislease.Budget(10*time.Second), redislease.Self("looks")).Take(ctx, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		return c.Holder
	}
	until(t, "a to have the lease again", func() bool { return holder() == "a" })
	if st := a.Status(); st.State != eds.Connected || st.Connects != 1 {
		t.Errorf("a: %+v", st)
	}

	closeA()
	if err := service.WaitConnected(ctx, "orders"); err != nil {
		t.Fatal(err)
	}
	until(t, "b to have the lease", func() bool { return holder() == "b" })
	closeB()
	if h := holder(); h != "" {
		t.Errorf("after the end %q has it", h)
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	// real time: what a server does in its own process tells nobody
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

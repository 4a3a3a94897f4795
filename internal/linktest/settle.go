package linktest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/wslink"
)

func (k *kit[O]) settlements() []fault {
	return []fault{
		{"B19", k.ackWriteFails},
		{"B20", k.peerReadsNothing},
		{"B21", k.ackWithEndedContext},
		{"B22", k.manyAckers},
		{"C8", k.eachAckOnItsOwn},
		{"B32", k.closeWithoutAnswer},
		{"E1", k.closeCode},
		{"E6", k.closeFlushes},
	}
}

func (k *kit[O]) ackWriteFails(t *testing.T) {
	s := k.service(t, Accept(func(p *Peer) {
		k.send(p, p.N)
		if p.N > 1 {
			p.Rest()
		}
	}))
	c := k.kind.Client(s)
	d := k.receive(t, c, 1)
	time.Sleep(time.Second) // nobody has noticed the end yet
	k.lost(t, c.Ack(t.Context(), d))
	Ack(t, c, k.receive(t, c, 2))
	if err := c.Ack(t.Context(), &eds.Delivery{Receipt: "foreign"}); err != eds.ErrReceiptLost {
		t.Errorf("Ack of somebody else's delivery = %v", err)
	}
}

// lost has the error of an acknowledgement that could not be written be one
// only where that matters.
func (k *kit[O]) lost(t *testing.T, err error) {
	t.Helper()
	if (err == nil) != (k.kind.Lost == nil) {
		t.Errorf("Ack that cannot be written = %v", err)
	}
}

func (k *kit[O]) peerReadsNothing(t *testing.T) {
	s := k.service(t, Accept(func(p *Peer) {
		k.send(p, p.N)
		if p.N == 1 {
			<-t.Context().Done()
			return
		}
		p.Rest()
	}))
	c := k.kind.Client(s)
	d := k.receive(t, c, 1)
	start := time.Now()
	k.lost(t, c.Ack(t.Context(), d))
	if took := time.Since(start); took != 10*time.Second {
		t.Errorf("Ack took %v", took)
	}
	k.receive(t, c, 2)
}

func (k *kit[O]) ackWithEndedContext(t *testing.T) {
	s := k.service(t, Accept(func(p *Peer) {
		k.send(p, 1)
		p.Acks(1)
		k.send(p, 2)
		p.Rest()
	}))
	c := k.kind.Client(s)
	d := k.receive(t, c, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Ack(ctx, d); err != nil {
		t.Errorf("Ack = %v", err)
	}
	k.receive(t, c, 2)
	dials(t, s, 1)
}

func (k *kit[O]) manyAckers(t *testing.T) {
	const n = 2000
	got := make(chan []string, 1)
	s := k.service(t, Accept(func(p *Peer) {
		for i := range n {
			k.send(p, i)
		}
		got <- p.Acks(n)
		k.send(p, n)
		p.Rest()
	}))
	c := k.kind.Client(s)
	var work sync.WaitGroup
	for i := range n {
		d := k.receive(t, c, i)
		work.Go(func() { Ack(t, c, d) })
	}
	k.receive(t, c, n)
	work.Wait()
	receipts, want := <-got, k.receipts(n)
	slices.Sort(receipts)
	slices.Sort(want)
	if !slices.Equal(receipts, want) {
		t.Errorf("%d receipts, want each of %d once", len(receipts), n)
	}
}

// eachAckOnItsOwn: each acknowledgement goes out within a millisecond, whatever
// came in behind its message and however long that takes to handle.
func (k *kit[O]) eachAckOnItsOwn(t *testing.T) {
	const n = 20
	out := make(chan time.Time, n)
	s := k.service(t, Accept(func(p *Peer) {
		for i := range n {
			k.send(p, i)
		}
		for range n {
			p.Acks(1)
			out <- time.Now()
		}
		p.Rest()
	}))
	c := k.kind.Client(s)
	for i := range n {
		d := k.receive(t, c, i)
		time.Sleep(time.Duration(i%4) * 300 * time.Microsecond)
		Ack(t, c, d)
		start := time.Now()
		if i%5 == 4 {
			time.Sleep(time.Minute) // the next handler takes its time
			synctest.Wait()
			if len(out) != 5 {
				t.Errorf("%d acknowledgements went out, want 5", len(out))
			}
			for len(out) > 0 {
				if late := (<-out).Sub(start); late > time.Millisecond {
					t.Errorf("acknowledgement %d went out %v late", i, late)
				}
			}
		}
	}
}

func (k *kit[O]) closeWithoutAnswer(t *testing.T) {
	s := k.service(t, k.mute())
	for _, limit := range []time.Duration{time.Hour, 500 * time.Millisecond, 0} {
		c := k.kind.Client(s)
		Until(t, c, time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		start := time.Now()
		c.Close(ctx)
		cancel()
		if took := time.Since(start); took > min(limit, wslink.LastHandshake)+time.Millisecond {
			t.Errorf("Close within %v took %v", limit, took)
		}
	}
}

// closeCode: a service that confirms nothing is not waited for.
func (k *kit[O]) closeCode(t *testing.T) {
	code := make(chan websocket.StatusCode, 1)
	s := k.service(t, Accept(func(p *Peer) {
		k.send(p, 1)
		p.Acks(1)
		code <- p.End()
	}))
	c := k.kind.Client(s)
	Ack(t, c, k.receive(t, c, 1))
	start := time.Now()
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took != 0 {
		t.Errorf("Close took %v", took)
	}
	if got := <-code; got != websocket.StatusNormalClosure {
		t.Errorf("closed with %v", got)
	}
}

func (k *kit[O]) closeFlushes(t *testing.T) {
	const n = 50
	acked := make(chan []string, 1)
	s := k.service(t, Accept(func(p *Peer) {
		for i := range n + 10 {
			k.send(p, i)
		}
		acked <- p.Acks(n + 10)
	}))
	c := k.kind.Client(s)
	for i := range n {
		Ack(t, c, k.receive(t, c, i))
	}
	c.Close(t.Context())
	if got := <-acked; !slices.Equal(got, k.receipts(n)) {
		t.Errorf("%d acknowledgements arrived, want %d", len(got), n)
	}
}

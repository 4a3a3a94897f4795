package pulsarws

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/eventdelivery/eds-go/eds"
)

var settleFaults = []fault{
	{"B19/foreign", testForeignDeliveries},
	{"B37", testOneAnswer},
	{"E5", testMessagesDuringClose},
}

func testForeignDeliveries(t *testing.T, connect maker) {
	c := connect(newService(t, sound(message(1))))
	ackIt(t, c, must(t, c))
	for _, foreign := range []*eds.Delivery{{Receipt: "foreign"}, {}, {Tag: "x"}, {Tag: (*delivered)(nil)}} {
		if err := c.Ack(t.Context(), foreign); err != eds.ErrReceiptLost {
			t.Errorf("Ack of somebody else's delivery = %v", err)
		}
		if err := c.Nack(t.Context(), foreign); err != eds.ErrReceiptLost {
			t.Errorf("Nack of somebody else's delivery = %v", err)
		}
	}
}

// testOneAnswer: however often and by however many a delivery is settled, the
// service hears of it once.
func testOneAnswer(t *testing.T, connect maker) {
	const n = 50
	said := make(chan []string, 1)
	s := newService(t, accept(func(p *peer) {
		for i := range n {
			p.Send(message(i))
		}
		said <- p.Rest()
	}))
	c := connect(s)
	for i := range n {
		d := must(t, c)
		var work sync.WaitGroup
		for k := range 10 {
			work.Go(func() {
				if (i+k)%3 == 0 && i%2 == 0 {
					nackIt(t, c, d)
				} else {
					ackIt(t, c, d)
				}
			})
		}
		work.Wait()
	}
	synctest.Wait()
	c.Close(t.Context())
	times := map[string]int{}
	for _, m := range <-said {
		for i := range n {
			if m == ackOf(at(i)) || m == nackOf(at(i)) {
				times[at(i)]++
			}
		}
	}
	_, isReader := c.(*Reader)
	for i := range n {
		if k := times[at(i)]; k > 1 || k == 0 && !isReader || k == 0 && i%2 == 1 {
			t.Errorf("message %d was answered %d times", i, k)
		}
	}
}

// What comes in while the connection is closed is neither handed out nor
// acknowledged.
func testMessagesDuringClose(t *testing.T, connect maker) {
	said := make(chan []string, 1)
	s := newService(t, accept(func(p *peer) {
		for i := range 100 {
			p.Send(message(i))
		}
		said <- p.Rest()
	}))
	c := connect(s)
	d := must(t, c)
	open := must(t, c)
	ackIt(t, c, d)
	c.Close(t.Context())
	for _, settle := range []func(context.Context, *eds.Delivery) error{c.Ack, c.Nack} {
		if err := settle(t.Context(), open); err != eds.ErrReceiptLost {
			t.Errorf("after Close: %v", err)
		}
	}
	if got := <-said; !slices.Equal(got, []string{ackOf(at(0))}) {
		t.Errorf("answers %q", got)
	}
}

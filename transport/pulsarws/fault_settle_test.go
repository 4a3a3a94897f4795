package pulsarws

// fake time: TestFault runs each fault in a bubble

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/wslink"
)

var settleFaults = []fault{
	{"B19", testAckWriteFails},
	{"B20", testPeerReadsNothing},
	{"B21", testAckWithEndedContext},
	{"B22", testManyAckers},
	{"B37", testOneAnswer},
	{"C8", testEachAckOnItsOwn},
	{"B32", testCloseWithoutAnswer},
	{"E1", testCloseCode},
	{"E5", testMessagesDuringClose},
	{"E6", testCloseFlushes},
}

func testAckWriteFails(t *testing.T, connect maker) {
	s := newService(t, accept(func(p *peer) {
		p.send(message(p.n))
		if p.n > 1 {
			p.rest()
		}
	}))
	c := connect(s)
	d := must(t, c)
	time.Sleep(time.Second) // nobody has noticed the end yet
	_, isReader := c.(*Reader)
	if err := c.Ack(t.Context(), d); err != nil == isReader {
		t.Errorf("Ack on a connection that is gone = %v", err) // a reader's position moves all the same
	}
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

func testPeerReadsNothing(t *testing.T, connect maker) {
	s := newService(t, accept(func(p *peer) {
		p.send(message(p.n))
		if p.n == 1 {
			<-t.Context().Done()
			return
		}
		p.rest()
	}))
	c := connect(s)
	d := must(t, c)
	start := time.Now()
	err := c.Ack(t.Context(), d)
	_, isReader := c.(*Reader)
	if took := time.Since(start); err != nil == isReader || took != 10*time.Second {
		t.Errorf("Ack = %v after %v", err, took)
	}
	if d := must(t, c); d.Receipt != at(2) {
		t.Errorf("%+v", d)
	}
}

func testAckWithEndedContext(t *testing.T, connect maker) {
	s := newService(t, accept(func(p *peer) {
		p.send(message(1))
		p.acks(1)
		p.send(message(2))
		p.rest()
	}))
	c := connect(s)
	d := must(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Ack(ctx, d); err != nil {
		t.Errorf("Ack = %v", err)
	}
	if d := must(t, c); d.Receipt != at(2) || s.count() != 1 {
		t.Errorf("%+v after %d connections", d, s.count())
	}
}

func testManyAckers(t *testing.T, connect maker) {
	const n = 1000
	got := make(chan []string, 1)
	s := newService(t, accept(func(p *peer) {
		for i := range n {
			p.send(message(i))
		}
		got <- p.acks(n)
		p.send(message(n))
		p.rest()
	}))
	c := connect(s, ReceiverQueueSize(n))
	var work sync.WaitGroup
	for range n {
		d := must(t, c)
		work.Go(func() { ackIt(t, c, d) })
	}
	if d := must(t, c); d.Receipt != at(n) {
		t.Errorf("%+v", d)
	}
	work.Wait()
	var want []string
	for i := range n {
		want = append(want, at(i))
	}
	if ids := <-got; !slices.Equal(slices.Sorted(slices.Values(ids)), slices.Sorted(slices.Values(want))) {
		t.Errorf("%d ids, want each of %d once", len(ids), n)
	}
}

// testOneAnswer: however often and by however many a delivery is settled, the
// service hears of it once.
func testOneAnswer(t *testing.T, connect maker) {
	const n = 50
	said := make(chan []string, 1)
	s := newService(t, accept(func(p *peer) {
		for i := range n {
			p.send(message(i))
		}
		said <- p.rest()
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

// Each acknowledgement goes out within a millisecond, whatever came in behind
// its message and however long that takes to handle.
func testEachAckOnItsOwn(t *testing.T, connect maker) {
	const n = 20
	out := make(chan time.Time, n)
	s := newService(t, accept(func(p *peer) {
		for i := range n {
			p.send(message(i))
		}
		for range n {
			p.acks(1)
			out <- time.Now()
		}
		p.rest()
	}))
	c := connect(s)
	for i := range n {
		d := must(t, c)
		time.Sleep(time.Duration(i%4) * 300 * time.Microsecond)
		ackIt(t, c, d)
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

func testCloseWithoutAnswer(t *testing.T, connect maker) {
	s := newService(t, accept(func(p *peer) { <-t.Context().Done() }))
	for _, limit := range []time.Duration{time.Hour, 500 * time.Millisecond, 0} {
		c := connect(s)
		until(t, c, time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		start := time.Now()
		c.Close(ctx)
		cancel()
		if took := time.Since(start); took > min(limit, wslink.LastHandshake)+time.Millisecond {
			t.Errorf("Close within %v took %v", limit, took)
		}
	}
}

func testCloseCode(t *testing.T, connect maker) {
	code := make(chan websocket.StatusCode, 1)
	s := newService(t, accept(func(p *peer) {
		p.send(message(1))
		p.acks(1)
		_, _, err := p.ws.Read(context.Background())
		code <- websocket.CloseStatus(err)
	}))
	c := connect(s)
	ackIt(t, c, must(t, c))
	start := time.Now()
	c.Close(t.Context())
	if took := time.Since(start); took != 0 {
		t.Errorf("Close took %v: nothing is ever confirmed", took)
	}
	if got := <-code; got != websocket.StatusNormalClosure {
		t.Errorf("closed with %v", got)
	}
}

// What comes in while the connection is closed is neither handed out nor
// acknowledged.
func testMessagesDuringClose(t *testing.T, connect maker) {
	said := make(chan []string, 1)
	s := newService(t, accept(func(p *peer) {
		for i := range 100 {
			p.send(message(i))
		}
		said <- p.rest()
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

func testCloseFlushes(t *testing.T, connect maker) {
	const n = 50
	acked := make(chan []string, 1)
	s := newService(t, accept(func(p *peer) {
		for i := range n + 10 {
			p.send(message(i))
		}
		acked <- p.acks(n + 10)
	}))
	c := connect(s)
	var want []string
	for i := range n {
		ackIt(t, c, must(t, c))
		want = append(want, at(i))
	}
	c.Close(t.Context())
	if got := <-acked; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d acknowledgements arrived, want %d", len(got), n)
	}
}

// A connection that breaks while nobody is in Receive shows in the status.
func TestStatusOfABrokenConnection(t *testing.T) {
	both(t, func(t *testing.T, connect maker) {
		s := newService(t, accept(func(p *peer) { p.send(message(1)); <-t.Context().Done() }))
		c := connect(s, WriteTimeout(time.Second), PingInterval(time.Minute))
		if st := c.Status(); st.State != eds.Connecting || !st.LastRead.IsZero() || !st.LastEvent.IsZero() {
			t.Errorf("%+v", st)
		}
		must(t, c)
		if st := c.Status(); st.State != eds.Connected || st.LastRead.IsZero() || st.LastEvent.IsZero() || st.Connects != 1 {
			t.Errorf("%+v", st)
		}
		time.Sleep(2 * time.Minute)
		if st := c.Status(); st.State != eds.Connecting {
			t.Errorf("%+v", st)
		}
	})
}

// A cancelled Receive costs neither the connection nor a message.
func TestCancelledReceiveKeepsTheConnection(t *testing.T) {
	both(t, func(t *testing.T, connect maker) {
		more := make(chan string)
		s := newService(t, accept(func(p *peer) {
			for m := range more {
				p.send(m)
			}
			p.rest()
		}))
		c := connect(s)
		for range 3 {
			until(t, c, time.Second)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Receive(ctx); err != context.Canceled {
			t.Errorf("Receive = %v", err)
		}
		more <- message(1)
		if d := must(t, c); d.Receipt != at(1) {
			t.Errorf("%+v", d)
		}
		if n := s.count(); n != 1 {
			t.Errorf("%d dials", n)
		}
		close(more)
	})
}

package edsv2

// fake time: TestFault runs each fault in a bubble

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

var connectionFaults = []fault{
	{"B26", testForeignPong},
	{"B27", testPingGolden},
	{"B28", testCloseWithUnacked},
}

// Any frame proves life, whatever it answers.
func testForeignPong(t *testing.T) {
	for _, pong := range []string{
		`{"frameType":"PONG","framePayload":{"correlationId":"of-somebody-else"}}`,
		`{"frameType":"PONG","framePayload":{"correlationId":7}}`,
		`{"frameType":"PONG","framePayload":null}`,
		`{"frameType":"PONG"}`,
		`{"frameType":"WHATEVER"}`,
		`garbage`,
	} {
		s := newService(t, accept(func(p *peer) {
			for p.Get() != "" {
				time.Sleep(9 * time.Second) // late, but within the time-out
				p.Send(pong)
			}
		}))
		tr := s.client()
		until(t, tr, 3*time.Hour)
		if n := s.Count(); n != 1 {
			t.Errorf("%s: %d connections", pong, n)
		}
		tr.Close(t.Context())
	}

	// With pings more often than the time-out, an answer to an older one is
	// as good.
	s := newService(t, accept(func(p *peer) {
		var answers sync.WaitGroup
		for p.Get() != "" {
			answers.Go(func() {
				time.Sleep(8 * time.Second)
				p.Send(`{"frameType":"PONG","framePayload":{"correlationId":"ping-1"}}`)
			})
		}
		answers.Wait()
	}))
	tr := s.client(PingInterval(3 * time.Second))
	until(t, tr, time.Hour)
	if n := s.Count(); n != 1 {
		t.Errorf("late answers: %d connections", n)
	}
}

func testPingGolden(t *testing.T) {
	got := make(chan string, 3)
	s := newService(t, accept(func(p *peer) {
		for range 3 {
			got <- p.Get()
			p.Send(`{"frameType":"PONG"}`)
		}
		p.Rest()
	}))
	tr := s.client()
	start := time.Now()
	until(t, tr, 9*time.Minute+time.Second)
	for i := 1; i <= 3; i++ {
		if m, want := <-got, fmt.Sprintf(`{"frameType":"PING","framePayload":{"correlationId":"ping-%d"}}`, i); m != want {
			t.Errorf("ping = %s, want %s", m, want)
		}
	}
	if d := time.Since(start); d < 6*time.Minute {
		t.Errorf("3 pings within %v", d)
	}
	if st := tr.Stats(); st.Pongs != 3 || tr.Status().Skipped != 0 {
		t.Errorf("%+v", st)
	}
}

func testCloseWithUnacked(t *testing.T) {
	acked := make(chan []string, 2)
	s := newService(t, accept(func(p *peer) {
		for i := range 10 {
			p.Send(event(fmt.Sprint("e", i), fmt.Sprintf("r%d.%d", p.N, i)))
		}
		if p.N == 1 {
			acked <- p.Acks(4)
			p.WS.CloseNow()
			return
		}
		acked <- p.Acks(10)
		p.Rest()
	}))
	tr := s.client()
	var first []*eds.Delivery
	for i := range 10 {
		d := must(t, tr)
		first = append(first, d)
		if i < 4 {
			ack(t, tr, d)
		}
	}
	if got := fmt.Sprint(<-acked); got != "[r1.0 r1.1 r1.2 r1.3]" {
		t.Errorf("acknowledged %v", got)
	}
	for range 10 {
		ack(t, tr, must(t, tr))
	}
	for _, d := range first {
		if err := tr.Ack(t.Context(), d); err != eds.ErrReceiptLost {
			t.Errorf("Ack(%s) = %v", d.Receipt, err)
		}
	}
	if got := fmt.Sprint(<-acked); strings.Contains(got, "r1.") {
		t.Errorf("old receipts went out: %v", got)
	}
}

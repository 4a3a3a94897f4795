package edsv2

// fake time: TestFault runs each fault in a bubble

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/eds"
)

var connectionFaults = []fault{
	{"B1", testMute},
	{"B1/silent", testSilent},
	{"B2", testIdleDay},
	{"B3", func(t *testing.T) { testEnds(t, func(p *peer) { p.ws.Close(1001, "Going away") }) }},
	{"B4", func(t *testing.T) { testEnds(t, func(p *peer) { p.ws.CloseNow() }) }},
	{"B4/1005", func(t *testing.T) { testEnds(t, func(p *peer) { p.ws.Close(websocket.StatusNoStatusRcvd, "") }) }},
	{"B4/1009", func(t *testing.T) { testEnds(t, func(p *peer) { p.ws.Close(1009, canary) }) }},
	{"B4/4999", func(t *testing.T) { testEnds(t, func(p *peer) { p.ws.Close(4999, "line\nbreak") }) }},
	{"B5", testCutFrame},
	{"B26", testForeignPong},
	{"B27", testPingGolden},
	{"B28", testCloseWithUnacked},
	{"B29", testPingsWhileBusy},
	{"B29/paused", testPausedReaderIsNotDead},
	{"B31", testManyReconnects},
	{"B33", testOneConnection},
}

func testMute(t *testing.T) {
	s := newService(t, accept(func(p *peer) {
		p.send(event(fmt.Sprint("e", p.n), fmt.Sprint("r", p.n)))
		if p.n == 1 {
			<-t.Context().Done() // neither reads nor writes, as a host without power
			return
		}
		p.rest()
	}))
	tr := s.client()
	first := must(t, tr)
	start := time.Now()
	if d := must(t, tr); d.Event.ID != "e2" {
		t.Errorf("%+v", d)
	}
	if took := time.Since(start); took < 130*time.Second || took > 200*time.Second {
		t.Errorf("noticed after %v", took)
	}
	if err := tr.Ack(t.Context(), first); err != eds.ErrReceiptLost {
		t.Errorf("Ack of a receipt of the lost connection: %v", err)
	}
	if err := tr.Status().Err; err == nil {
		t.Error("no cause")
	}
}

// testSilent has a peer that takes everything and says nothing.
func testSilent(t *testing.T) {
	for _, interval := range []time.Duration{150 * time.Second, 3 * time.Second} {
		s := newService(t, accept(func(p *peer) {
			p.send(event(fmt.Sprint("e", p.n), fmt.Sprint("r", p.n)))
			p.rest()
		}))
		tr := s.client(PingInterval(interval))
		must(t, tr)
		start := time.Now()
		must(t, tr)
		if took := time.Since(start) - 10*time.Second; took < interval*8/10 || took > interval*12/10+time.Second {
			t.Errorf("pings every %v: noticed %v after the time-out", interval, took)
		}
		if err := tr.Status().Err; err == nil || !strings.Contains(err.Error(), "ping") {
			t.Errorf("err = %v", err)
		}
	}
}

// testIdleDay has the service close what is idle for ten minutes.
func testIdleDay(t *testing.T) {
	var pings atomic.Int64
	s := newService(t, accept(func(p *peer) {
		for {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
			_, m, err := p.ws.Read(ctx)
			cancel()
			if err != nil {
				return
			}
			pings.Add(1)
			id, _ := strings.CutPrefix(string(m), `{"frameType":"PING","framePayload":`)
			p.send(`{"frameType":"PONG","framePayload":` + id)
		}
	}))
	tr := s.client()
	until(t, tr, 24*time.Hour)
	if n := s.count(); n != 1 {
		t.Errorf("%d connections in an idle day", n)
	}
	if n := pings.Load(); n < 24*60/3 || n > 24*60/2 {
		t.Errorf("%d pings in a day", n)
	}
	if st := tr.Stats(); int64(st.Pongs) != pings.Load() || tr.Status().Skipped != 0 {
		t.Errorf("%+v", st)
	}
}

// testEnds has each connection end after an event.
func testEnds(t *testing.T, end func(p *peer)) {
	s := newService(t, accept(func(p *peer) {
		p.send(event(fmt.Sprint("e", p.n), fmt.Sprint("r", p.n)))
		p.acks(1)
		time.Sleep(2 * time.Hour)
		end(p)
	}))
	tr := s.client(PingInterval(100 * time.Hour))
	for i := 1; i <= 5; i++ {
		d := must(t, tr)
		if d.Event.ID != fmt.Sprint("e", i) {
			t.Fatalf("%+v", d)
		}
		ack(t, tr, d)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		if d, err := tr.Receive(ctx); err == nil {
			t.Fatalf("%+v", d)
		}
		cancel()
		time.Sleep(time.Hour + time.Minute)
	}
	for i, g := range s.gaps() {
		if g > 2*time.Hour+2*time.Minute {
			t.Errorf("gap %d: %v", i, g)
		}
	}
	if st := tr.Status(); st.Err == nil || st.Connects != 5 {
		t.Errorf("%+v", st)
	}
}

// testCutFrame cuts the stream behind each byte of a frame.
func testCutFrame(t *testing.T) {
	frame := wire(event("cut", "r-cut"))
	half := len(event("cut", "r-cut")) / 2
	first, second := wire(event("cut", "r-cut")[:half]), wire(event("cut", "r-cut")[half:])
	first[0], second[0] = 0x01, 0x80 // a text that goes on, its end
	fragments := append(first, second...)
	for _, stream := range [][]byte{frame, fragments} {
		for n := range stream {
			s := newService(t, nil)
			s.answer = func(dial int, w http.ResponseWriter, r *http.Request) {
				if dial > 1 {
					accept(func(p *peer) { p.send(event("whole", "r1")); p.rest() })(dial, w, r)
					return
				}
				c := hijack(t, w, r)
				c.Write(stream[:n])
				c.Close()
			}
			tr := s.client()
			if d := must(t, tr); d.Event.ID != "whole" || d.Err != nil {
				t.Errorf("cut at %d: %+v", n, d)
			}
			if tr.Status().Skipped != 0 {
				t.Errorf("cut at %d: a part of a frame was read", n)
			}
			tr.Close(t.Context())
		}
	}
}

// hijack upgrades and returns the bare connection.
func hijack(t *testing.T, w http.ResponseWriter, r *http.Request) net.Conn {
	resp, _ := (&endless{}).RoundTrip(r)
	maps.Copy(w.Header(), resp.Header)
	w.WriteHeader(101)
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
	}
	return c
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
			for p.get() != "" {
				time.Sleep(9 * time.Second) // late, but within the time-out
				p.send(pong)
			}
		}))
		tr := s.client()
		until(t, tr, 3*time.Hour)
		if n := s.count(); n != 1 {
			t.Errorf("%s: %d connections", pong, n)
		}
		tr.Close(t.Context())
	}

	// With pings more often than the time-out, an answer to an older one is
	// as good.
	s := newService(t, accept(func(p *peer) {
		var answers sync.WaitGroup
		for p.get() != "" {
			answers.Go(func() {
				time.Sleep(8 * time.Second)
				p.send(`{"frameType":"PONG","framePayload":{"correlationId":"ping-1"}}`)
			})
		}
		answers.Wait()
	}))
	tr := s.client(PingInterval(3 * time.Second))
	until(t, tr, time.Hour)
	if n := s.count(); n != 1 {
		t.Errorf("late answers: %d connections", n)
	}
}

func testPingGolden(t *testing.T) {
	got := make(chan string, 3)
	s := newService(t, accept(func(p *peer) {
		for range 3 {
			got <- p.get()
			p.send(`{"frameType":"PONG"}`)
		}
		p.rest()
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
}

func testCloseWithUnacked(t *testing.T) {
	acked := make(chan []string, 2)
	s := newService(t, accept(func(p *peer) {
		for i := range 10 {
			p.send(event(fmt.Sprint("e", i), fmt.Sprintf("r%d.%d", p.n, i)))
		}
		if p.n == 1 {
			acked <- p.acks(4)
			p.ws.CloseNow()
			return
		}
		acked <- p.acks(10)
		p.rest()
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

// While the handler of an event runs, nobody reads. Pings go out, and
// unanswered ones count only from when somebody would see the answer.
func testPingsWhileBusy(t *testing.T) {
	var pings atomic.Int64
	s := newService(t, accept(func(p *peer) {
		p.send(event("e1", "r1"))
		for p.get() != "" {
			pings.Add(1)
			p.send(`{"frameType":"PONG"}`)
		}
	}))
	tr := s.client()
	d := must(t, tr)
	time.Sleep(time.Hour) // the handler
	if n := pings.Load(); n < 20 || n > 30 {
		t.Errorf("%d pings while the handler ran for an hour", n)
	}
	ack(t, tr, d)
	until(t, tr, time.Hour)
	if n := s.count(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func testPausedReaderIsNotDead(t *testing.T) {
	s := newService(t, accept(func(p *peer) {
		p.send(event("e1", "r1"))
		p.rest() // takes pings, answers none
	}))
	tr := s.client()
	d := must(t, tr)
	time.Sleep(time.Hour)
	if st := tr.Status(); st.State != eds.Connected {
		t.Errorf("%+v", st)
	}
	ack(t, tr, d) // the receipt is still good
	until(t, tr, 9*time.Second)
	if n := s.count(); n != 1 {
		t.Errorf("%d connections before the time-out of an awaited answer", n)
	}
	if d := must(t, tr); d.Event.ID != "e1" || s.count() != 2 {
		t.Errorf("silence was not noticed: %+v", d)
	}
}

func testManyReconnects(t *testing.T) {
	times := 10_000
	if testing.Short() {
		times = 1000
	}
	s := newService(t, accept(func(p *peer) {
		p.send(event("e", fmt.Sprint("r", p.n)))
		if p.n < times {
			p.acks(1)
			return
		}
		p.rest()
	}))
	tr := s.client(Backoff(time.Millisecond, time.Second))
	var before int
	for i := range times {
		d := must(t, tr)
		if i < times-1 {
			ack(t, tr, d)
		}
		if i == 10 {
			synctest.Wait()
			before = runtime.NumGoroutine()
		}
	}
	synctest.Wait()
	// The runtime has goroutines of its own that come and go; a leak would be
	// one per reconnect.
	if after := runtime.NumGoroutine(); after > before+times/100 {
		t.Errorf("%d goroutines, %d before", after, before)
	}
	if st := tr.Status(); st.Connects != uint64(times) {
		t.Errorf("%+v", st)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.most != 1 || s.open != 1 {
		t.Errorf("%d connections at once, %d open", s.most, s.open)
	}
}

func testOneConnection(t *testing.T) {
	s := newService(t, nil)
	s.answer = func(n int, w http.ResponseWriter, r *http.Request) {
		switch n % 4 {
		case 0:
			accept(func(p *peer) { p.ws.Close(4409, "") })(n, w, r)
		case 1:
			accept(func(p *peer) { p.send(event("e", "r")); p.ws.CloseNow() })(n, w, r)
		case 2:
			refuse(500, "")(n, w, r)
		default:
			accept(func(p *peer) { <-t.Context().Done() })(n, w, r)
		}
	}
	tr := s.client()
	for range 20 {
		must(t, tr)
	}
	if s.most != 1 {
		t.Errorf("%d connections at once", s.most)
	}
}

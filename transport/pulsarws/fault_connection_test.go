package pulsarws

// fake time: TestFault runs each fault in a bubble

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
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
	{"B3", endsBy(1001, "Going away")},
	{"B4", endsBy(0, "")},
	{"B4/1005", endsBy(int(websocket.StatusNoStatusRcvd), "")},
	{"B4/1009", endsBy(1009, canary)},
	{"B4/1011", endsBy(1011, "Exception: "+canary)},
	{"B4/4999", endsBy(4999, "line\nbreak")},
	{"B5", testCutFrame},
	{"B28", testCloseWithUnsettled},
	{"B29", testPingsWhileBusy},
	{"B29/paused", testPausedReaderIsNotDead},
	{"B31", testManyReconnects},
	{"B33", testOneConnection},
	{"B42", testIdleDay},
	{"B43", testIllegalCloseCodes},
}

func testMute(t *testing.T, connect maker) {
	s := newService(t, accept(func(p *peer) {
		p.send(message(p.n))
		if p.n == 1 {
			<-t.Context().Done() // neither reads nor writes, as a host without power
			return
		}
		p.rest()
	}))
	c := connect(s)
	must(t, c)
	start := time.Now()
	if d := must(t, c); d.Receipt != at(2) {
		t.Errorf("%+v", d)
	}
	if took := time.Since(start); took < 34*time.Second || took > 60*time.Second {
		t.Errorf("noticed after %v", took)
	}
	if err := c.Status().Err; err == nil {
		t.Error("no cause")
	}
}

// testSilent has a peer that takes everything and says nothing, not even a pong.
func testSilent(t *testing.T, connect maker) {
	for _, interval := range []time.Duration{150 * time.Second, 3 * time.Second} {
		s := newService(t, nil)
		s.answer = func(n int, w http.ResponseWriter, r *http.Request) {
			conn := hijack(t, w, r)
			defer conn.Close()
			conn.Write(frameOf(message(n)))
			drain(conn)
		}
		c := connect(s, PingInterval(interval))
		must(t, c)
		start := time.Now()
		must(t, c)
		if took := time.Since(start) - 10*time.Second; took < interval*8/10 || took > interval*12/10+time.Second {
			t.Errorf("pings every %v: noticed %v after the time-out", interval, took)
		}
		if err := c.Status().Err; err == nil || !strings.Contains(err.Error(), "ping") {
			t.Errorf("err = %v", err)
		}
	}
}

// testIdleDay has the service close what is idle for five minutes.
func testIdleDay(t *testing.T, connect maker) {
	var pings atomic.Int64
	s := newService(t, nil)
	s.answer = func(n int, w http.ResponseWriter, r *http.Request) {
		conn := hijack(t, w, r)
		defer conn.Close()
		buf := make([]byte, 4096)
		for {
			conn.SetReadDeadline(time.Now().Add(5 * time.Minute))
			k, err := conn.Read(buf)
			if err != nil {
				return
			}
			if buf[0] == 0x89 && k == 6 {
				pings.Add(1)
				conn.Write([]byte{0x8a, 0}) // a pong
			}
		}
	}
	c := connect(s)
	until(t, c, 24*time.Hour)
	if n := s.count(); n != 1 {
		t.Errorf("%d connections in an idle day", n)
	}
	if n := pings.Load(); n < 24*60*60/36 || n > 24*60*60/24 {
		t.Errorf("%d pings in a day", n)
	}
}

// endsBy has each connection end after a message, with the close code, or
// without a close frame when that is 0.
func endsBy(code int, reason string) func(*testing.T, maker) {
	return func(t *testing.T, connect maker) {
		s := newService(t, accept(func(p *peer) {
			p.send(message(p.n))
			p.acks(1)
			time.Sleep(2 * time.Hour)
			if code != 0 {
				p.ws.Close(websocket.StatusCode(code), reason)
			}
		}))
		c := connect(s, PingInterval(100*time.Hour))
		for i := 1; i <= 5; i++ {
			d := must(t, c)
			if d.Receipt != at(i) {
				t.Fatalf("%+v", d)
			}
			ackIt(t, c, d)
			until(t, c, time.Hour)
			time.Sleep(time.Hour + time.Minute)
		}
		for i, g := range s.gaps() {
			if g > 2*time.Hour+2*time.Minute {
				t.Errorf("gap %d: %v", i, g)
			}
		}
		if st := c.Status(); st.Err == nil || st.Connects != 5 {
			t.Errorf("%+v", st)
		}
	}
}

// testIllegalCloseCodes: the documentation lists close codes that RFC 6455
// does not allow on the wire. A service that sends one all the same ends a
// connection, and no more.
func testIllegalCloseCodes(t *testing.T, connect maker) {
	codes := []uint16{0, 1, 2, 3, 4, 5, 6, 7, 8, 999, 1004, 1005, 1006, 1015, 5000, 65535}
	s := newService(t, nil)
	s.answer = func(n int, w http.ResponseWriter, r *http.Request) {
		if n > len(codes) {
			sound(message(1))(n, w, r)
			return
		}
		conn := hijack(t, w, r)
		defer conn.Close()
		conn.Write(binary.BigEndian.AppendUint16([]byte{0x88, 2}, codes[n-1]))
		drain(conn)
	}
	c := connect(s)
	if d := must(t, c); d.Receipt != at(1) {
		t.Errorf("%+v", d)
	}
	st := c.Status()
	if n := s.count(); n != len(codes)+1 || st.State != eds.Connected {
		t.Errorf("%d connections, %+v", n, st)
	}
	if st.Err == nil {
		t.Error("no cause")
	}
}

// testCutFrame cuts the stream behind each byte of a frame.
func testCutFrame(t *testing.T, connect maker) {
	text := message(3)
	frame := frameOf(text)
	first, second := frameOf(text[:len(text)/2]), frameOf(text[len(text)/2:])
	first[0], second[0] = 0x01, 0x80 // a text that goes on, its end
	for _, stream := range [][]byte{frame, append(first, second...)} {
		for n := range stream {
			s := newService(t, nil)
			s.answer = func(dial int, w http.ResponseWriter, r *http.Request) {
				if dial > 1 {
					sound(message(1))(dial, w, r)
					return
				}
				conn := hijack(t, w, r)
				conn.Write(stream[:n])
				conn.Close()
			}
			c := connect(s)
			if d := must(t, c); d.Receipt != at(1) || d.Err != nil {
				t.Errorf("cut at %d: %+v", n, d)
			}
			if c.Status().Skipped != 0 {
				t.Errorf("cut at %d: a part of a frame was read", n)
			}
			c.Close(t.Context())
		}
	}
}

// frameOf is a text frame as a server sends it: not masked.
func frameOf(text string) []byte {
	b := []byte{0x81}
	switch n := len(text); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, text...)
}

// hijack upgrades and returns the bare connection.
func hijack(t *testing.T, w http.ResponseWriter, r *http.Request) net.Conn {
	key := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Sec-WebSocket-Accept", base64.StdEncoding.EncodeToString(key[:]))
	w.WriteHeader(101)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
	}
	return conn
}

// drain takes what comes, until the end.
func drain(conn net.Conn) {
	buf := make([]byte, 4096)
	for {
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}

// testCloseWithUnsettled ends a connection when four of ten were settled.
func testCloseWithUnsettled(t *testing.T, connect maker) {
	acked := make(chan []string, 2)
	s := newService(t, accept(func(p *peer) {
		first := 0
		if p.from == at(3) {
			first = 4
		}
		for i := first; i < 10; i++ {
			p.send(message(i))
		}
		if p.n == 1 {
			acked <- p.acks(4)
			return
		}
		acked <- p.acks(10 - first)
		p.rest()
	}))
	c := connect(s)
	var first []*eds.Delivery
	for i := range 10 {
		d := must(t, c)
		first = append(first, d)
		if i < 4 {
			ackIt(t, c, d)
		}
	}
	want := fmt.Sprint([]string{at(0), at(1), at(2), at(3)})
	if got := fmt.Sprint(<-acked); got != want {
		t.Errorf("acknowledged %v, want %v", got, want)
	}
	_, isReader := c.(*Reader)
	again := 0
	if isReader {
		again = 4 // it goes on behind what is settled
	}
	for i := again; i < 10; i++ {
		d := must(t, c)
		if d.Receipt != at(i) {
			t.Errorf("%d: %+v", i, d)
		}
		ackIt(t, c, d)
	}
	for i, d := range first {
		err := c.Ack(t.Context(), d)
		// The service forgot a consumer's deliveries; a reader's count here.
		if !isReader && err != eds.ErrReceiptLost || isReader && err != nil {
			t.Errorf("Ack(%d) = %v", i, err)
		}
	}
	if got := <-acked; len(got) != 10-again {
		t.Errorf("acknowledged %v", got)
	}
	until(t, c, time.Minute)
	if s.count() != 2 {
		t.Errorf("%d connections", s.count())
	}
}

// While the handler of an event runs, nobody reads. Pings go out, and
// unanswered ones count only from when somebody would see the answer.
func testPingsWhileBusy(t *testing.T, connect maker) {
	var pings atomic.Int64
	s := newService(t, nil)
	s.answer = func(n int, w http.ResponseWriter, r *http.Request) {
		conn := hijack(t, w, r)
		defer conn.Close()
		conn.Write(frameOf(message(n)))
		buf := make([]byte, 4096)
		for {
			k, err := conn.Read(buf)
			if err != nil {
				return
			}
			if buf[0] == 0x89 && k == 6 {
				pings.Add(1)
				conn.Write([]byte{0x8a, 0})
			}
		}
	}
	c := connect(s)
	d := must(t, c)
	time.Sleep(time.Hour) // the handler
	if n := pings.Load(); n < 100 || n > 150 {
		t.Errorf("%d pings while the handler ran for an hour", n)
	}
	ackIt(t, c, d)
	until(t, c, time.Hour)
	if n := s.count(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func testPausedReaderIsNotDead(t *testing.T, connect maker) {
	s := newService(t, nil)
	s.answer = func(n int, w http.ResponseWriter, r *http.Request) {
		conn := hijack(t, w, r)
		defer conn.Close()
		conn.Write(frameOf(message(n)))
		drain(conn) // takes pings, answers none
	}
	c := connect(s)
	d := must(t, c)
	time.Sleep(time.Hour)
	if st := c.Status(); st.State != eds.Connected {
		t.Errorf("%+v", st)
	}
	ackIt(t, c, d)
	until(t, c, 9*time.Second)
	if n := s.count(); n != 1 {
		t.Errorf("%d connections before the time-out of an awaited answer", n)
	}
	if d := must(t, c); d.Receipt != at(2) || s.count() != 2 {
		t.Errorf("silence was not noticed: %+v", d)
	}
}

func testManyReconnects(t *testing.T, connect maker) {
	times := 3000
	if testing.Short() {
		times = 500
	}
	s := newService(t, accept(func(p *peer) {
		p.send(message(p.n))
		if p.n < times {
			p.acks(1)
			return
		}
		p.rest()
	}))
	c := connect(s, Backoff(time.Millisecond, time.Second), Logger(quietly))
	var before int
	for i := range times {
		d := must(t, c)
		if i < times-1 {
			ackIt(t, c, d)
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
	if st := c.Status(); st.Connects != uint64(times) {
		t.Errorf("%+v", st)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.most != 1 || s.open != 1 {
		t.Errorf("%d connections at once, %d open", s.most, s.open)
	}
}

func testOneConnection(t *testing.T, connect maker) {
	s := newService(t, nil)
	s.answer = func(n int, w http.ResponseWriter, r *http.Request) {
		switch n % 4 {
		case 0:
			refuse(409, "")(n, w, r)
		case 1:
			accept(func(p *peer) { p.send(message(n)) })(n, w, r)
		case 2:
			refuse(500, "")(n, w, r)
		default:
			accept(func(p *peer) { <-t.Context().Done() })(n, w, r)
		}
	}
	c := connect(s)
	for range 20 {
		must(t, c)
	}
	if s.most != 1 {
		t.Errorf("%d connections at once", s.most)
	}
}

package linktest

import (
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// pongTimeout is the default of all transports.
const pongTimeout = 10 * time.Second

func (k *kit[O]) connections() []fault {
	return []fault{
		{"B1", k.muteService},
		{"B1/silent", k.silentService},
		{"B2", k.idleDay},
		{"B3", k.endsBy(1001, "Going away")},
		{"B4", k.endsBy(0, "")},
		{"B4/1005", k.endsBy(int(websocket.StatusNoStatusRcvd), "")},
		{"B4/1009", k.endsBy(1009, Secret)},
		{"B4/1011", k.endsBy(1011, "Exception: "+Secret)},
		{"B4/4999", k.endsBy(4999, "line\nbreak")},
		{"B5", k.cutFrame},
		{"B9", k.compressed},
		{"B31", k.manyReconnects},
		{"B33", k.oneConnection},
	}
}

// mute sends messages and then neither reads nor writes, as a host without
// power.
func (k *kit[O]) mute(messages ...int) Answer {
	return Accept(func(p *Peer) {
		k.send(p, messages...)
		<-p.s.T.Context().Done()
	})
}

// silent sends message n on connection n, and then takes everything and says
// nothing, not even a pong.
func (k *kit[O]) silent() Answer {
	return Raw(func(n int, conn net.Conn) {
		conn.Write(Frame(k.Message(n)))
		Drain(conn)
	})
}

func (k *kit[O]) muteService(t *testing.T) {
	s := k.service(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 1 {
			k.mute(1)(n, w, r)
			return
		}
		k.sound(n)(n, w, r)
	})
	c := k.kind.Client(s)
	first := k.receive(t, c, 1)
	start := time.Now()
	k.receive(t, c, 2)
	if took := time.Since(start) - pongTimeout; took < k.PingInterval*8/10 || took > k.PingInterval*12/10+10*time.Second {
		t.Errorf("noticed %v after the time-out", took)
	}
	if err := c.Ack(t.Context(), first); err != k.kind.Lost {
		t.Errorf("Ack of a receipt of the lost connection: %v", err)
	}
	if c.Status().Err == nil {
		t.Error("no cause")
	}
}

func (k *kit[O]) silentService(t *testing.T) {
	for _, interval := range []time.Duration{150 * time.Second, 3 * time.Second} {
		c := k.kind.Client(k.service(t, k.silent()), k.Options.PingInterval(interval))
		k.receive(t, c, 1)
		start := time.Now()
		k.receive(t, c, 2)
		if took := time.Since(start) - pongTimeout; took < interval*8/10 || took > interval*12/10+time.Second {
			t.Errorf("pings every %v: noticed %v after the time-out", interval, took)
		}
		if got := cause(c); !strings.Contains(got, "ping") {
			t.Errorf("the cause is %s", got)
		}
	}
}

// perPings checks how many pings went out in d.
func (k *kit[O]) perPings(t *testing.T, n int64, d time.Duration) {
	t.Helper()
	if least, most := d/(k.PingInterval*12/10), d/(k.PingInterval*8/10); n < int64(least) || n > int64(most) {
		t.Errorf("%d pings in %v, want %d to %d", n, d, least, most)
	}
}

// idleDay has the service close what is idle.
func (k *kit[O]) idleDay(t *testing.T) {
	var pings atomic.Int64
	s := k.service(t, Accept(func(p *Peer) {
		idle := time.AfterFunc(k.Idle, func() { p.WS.CloseNow() })
		defer idle.Stop()
		k.Serve(p, func() {
			pings.Add(1)
			idle.Reset(k.Idle)
		})
	}))
	c := k.kind.Client(s)
	Until(t, c, 24*time.Hour)
	dials(t, s, 1)
	k.perPings(t, pings.Load(), 24*time.Hour)
	if st := c.Status(); st.Skipped != 0 {
		t.Errorf("%+v", st)
	}
}

// endsBy has each connection end after a message, with the close code, or
// without a close frame when that is 0.
func (k *kit[O]) endsBy(code int, reason string) func(*testing.T) {
	return func(t *testing.T) {
		s := k.service(t, Accept(func(p *Peer) {
			k.send(p, p.N)
			p.Acks(1)
			time.Sleep(2 * time.Hour)
			if code != 0 {
				p.Close(code, reason)
			}
		}))
		c := k.kind.Client(s, k.Options.PingInterval(100*time.Hour))
		for i := 1; i <= 5; i++ {
			Ack(t, c, k.receive(t, c, i))
			Until(t, c, time.Hour)
			time.Sleep(time.Hour + time.Minute)
		}
		for i, g := range s.Gaps() {
			if g > 2*time.Hour+2*time.Minute {
				t.Errorf("gap %d: %v", i, g)
			}
		}
		if st := c.Status(); st.Err == nil || st.Connects != 5 {
			t.Errorf("%+v", st)
		}
	}
}

// cutFrame cuts the stream behind each byte of a frame.
func (k *kit[O]) cutFrame(t *testing.T) {
	text := k.Message(3)
	first, second := Frame(text[:len(text)/2]), Frame(text[len(text)/2:])
	first[0], second[0] = 0x01, 0x80 // a text that goes on, its end
	for _, stream := range [][]byte{Frame(text), append(first, second...)} {
		for n := range stream {
			c := k.kind.Client(k.service(t, k.once(Raw(func(_ int, conn net.Conn) { conn.Write(stream[:n]) }))))
			k.receive(t, c, 1)
			if c.Status().Skipped != 0 {
				t.Errorf("cut at %d: a part of a frame was read", n)
			}
			c.Close(t.Context())
		}
	}
}

// compressed: what is compressed although nobody asked is refused, so that
// nothing inflates.
func (k *kit[O]) compressed(t *testing.T) {
	frame := Frame(k.Message(2))
	frame[0] |= 0x40 // RSV1
	s := k.service(t, k.once(Raw(func(_ int, conn net.Conn) { conn.Write(frame) })))
	k.receive(t, k.kind.Client(s), 1)
}

func (k *kit[O]) manyReconnects(t *testing.T) {
	times := 10_000 / len(k.Kinds)
	if testing.Short() {
		times /= 10
	}
	s := k.service(t, Accept(func(p *Peer) {
		k.send(p, p.N)
		if p.N < times {
			p.Acks(1)
			return
		}
		p.Rest()
	}))
	c := k.kind.Client(s, k.Options.Backoff(time.Millisecond, time.Second), k.Options.Logger(slog.New(slog.DiscardHandler)))
	var before int
	for i := 1; i <= times; i++ {
		d := k.receive(t, c, i)
		if i < times {
			Ack(t, c, d)
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
	if open, most := s.Open(); open != 1 || most != 1 {
		t.Errorf("%d connections open, %d at once", open, most)
	}
}

func (k *kit[O]) oneConnection(t *testing.T) {
	s := k.service(t, func(n int, w http.ResponseWriter, r *http.Request) {
		switch n % 4 {
		case 0:
			k.held()(n, w, r)
		case 1:
			Accept(func(p *Peer) { k.send(p, n) })(n, w, r)
		case 2:
			Refuse(500, "")(n, w, r)
		default:
			k.mute()(n, w, r)
		}
	})
	c := k.kind.Client(s)
	for i := range 20 {
		k.receive(t, c, 1+4*i)
	}
	if _, most := s.Open(); most != 1 {
		t.Errorf("%d connections at once", most)
	}
}

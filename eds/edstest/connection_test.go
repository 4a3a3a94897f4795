package edstest_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/eds/edstest"
)

func TestRefusals(t *testing.T) {
	const good = "?queue=" + edstest.DefaultQueue
	for _, row := range []struct {
		name   string
		query  string
		header http.Header
		status int
		code   int // under RefuseByClose; 0 when HTTP says it there too
	}{
		{"no_key", good, nil, 401, 4401},
		{"empty_key", good, key(""), 401, 4401},
		{"other_scheme", good, http.Header{"Authorization": {"Bearer " + edstest.DefaultKey}}, 401, 4401},
		{"scheme_in_upper_case", good, http.Header{"Authorization": {"API-KEY " + edstest.DefaultKey}}, 401, 4401},
		{"wrong_key", good, key("wrong"), 403, 4403},
		{"longer_key", good, key(edstest.DefaultKey + "x"), 403, 4403},
		{"key_in_the_query", good + "&x-api-key=" + edstest.DefaultKey, nil, 401, 4401},
		{"no_queue", "", key(edstest.DefaultKey), 400, 0},
		{"empty_queue", "?queue=", key(edstest.DefaultKey), 400, 0},
		{"unknown_queue", "?queue=other", key(edstest.DefaultKey), 404, 0},
		{"unknown_queue_without_key", "?queue=other", nil, 401, 4401},
		{"unknown_path", "/v2" + good, key(edstest.DefaultKey), 404, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, newServer makeServer) {
				s := newServer()
				if _, status, err := try(t, s, row.query, row.header); err == nil || status != row.status {
					t.Errorf("status %d (%v), want %d", status, err, row.status)
				}
				s = newServer(edstest.RefuseByClose())
				c, status, err := try(t, s, row.query, row.header)
				if row.code == 0 {
					if err == nil || status != row.status {
						t.Errorf("by close: status %d (%v), want %d", status, err, row.status)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				c.wantClose(row.code)
				if r := records(s, edstest.OpRefuse); len(r) != 1 || r[0].Code != row.code {
					t.Errorf("records %v", r)
				}
			})
		})
	}
}

func TestPlainRequestIsToldToUpgrade(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "http"+s.URL()[2:]+"/?queue="+edstest.DefaultQueue, nil)
		req.Header = key(edstest.DefaultKey)
		resp, err := httpClient(t, s).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUpgradeRequired {
			t.Errorf("status %d", resp.StatusCode)
		}
		dial(t, s) // the queue is free
	})
}

func TestSecondConnectionIsRefusedAndTheFirstStays(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		for _, byClose := range []bool{false, true} {
			var opts []edstest.Option
			if byClose {
				opts = append(opts, edstest.RefuseByClose())
			}
			s := newServer(opts...)
			first := dial(t, s)
			second, status, err := try(t, s, "?queue="+edstest.DefaultQueue, key(edstest.DefaultKey))
			switch {
			case !byClose && (err == nil || status != http.StatusConflict):
				t.Errorf("status %d, %v", status, err)
			case byClose && err != nil:
				t.Error(err)
			case byClose:
				second.wantClose(4409)
			}
			first.wantPong()
		}
	})
}

// Whoever closes cleanly can connect again at once, however quick it is.
func TestCleanCloseFreesTheQueueAtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		for range 50 {
			c := dial(t, s)
			if err := c.ws.Close(1000, "bye"); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.WaitDisconnected(soon(t)); err != nil {
			t.Error(err)
		}
		ends := records(s, edstest.OpDisconnect)
		if len(ends) != 50 || slices.ContainsFunc(ends, func(r edstest.Record) bool { return r.Code != 1000 }) {
			t.Errorf("%d ends, the last %v", len(ends), ends[len(ends)-1])
		}
	})
}

// freeBetween dials every step and tells when it was last refused with 409,
// and when it got in.
func freeBetween(t *testing.T, s *edstest.Server, step time.Duration) (refused, free time.Duration) {
	t.Helper()
	start := time.Now()
	for {
		c, status, err := try(t, s, defaultQuery, key(edstest.DefaultKey))
		if err == nil {
			_ = c.ws.CloseNow()
			return refused, time.Since(start)
		}
		if status != http.StatusConflict {
			t.Fatal(status, err)
		}
		refused = time.Since(start)
		time.Sleep(step) // fake time: only called in bubbles
	}
}

func TestQueueStaysTaken(t *testing.T) {
	for _, row := range []struct {
		name string
		opts []edstest.Option
		end  func(*edstest.Server, *client)
		want time.Duration
	}{
		{
			"after_a_clean_close_for_a_couple_of_seconds",
			[]edstest.Option{edstest.CloseDelay(2 * time.Second), edstest.StaleHold(10 * time.Minute)},
			func(_ *edstest.Server, c *client) { _ = c.ws.Close(1000, "") },
			2 * time.Second,
		},
		{
			"after_an_unclean_loss_until_it_is_reaped",
			[]edstest.Option{edstest.CloseDelay(2 * time.Second), edstest.StaleHold(10 * time.Minute)},
			func(_ *edstest.Server, c *client) { _ = c.ws.CloseNow() },
			10 * time.Minute,
		},
		{
			"after_a_loss_on_the_way_until_it_is_reaped",
			[]edstest.Option{edstest.StaleHold(10 * time.Minute)},
			func(s *edstest.Server, _ *client) { s.Break(edstest.Drop()) },
			10 * time.Minute,
		},
		{"not_after_an_unclean_loss_by_default", nil, func(_ *edstest.Server, c *client) { _ = c.ws.CloseNow() }, 0},
		{
			"half_open_until_the_idle_timeout", nil,
			func(s *edstest.Server, c *client) {
				s.Break(edstest.Mute())
				_ = c.ws.CloseNow() // which the server does not see
			},
			10 * time.Minute,
		},
		{
			"half_open_while_events_go_into_the_void", nil,
			func(s *edstest.Server, c *client) {
				publish(c.t, s, 1) // redelivered every 30 s, which is no traffic
				s.Break(edstest.Mute())
				_ = c.ws.CloseNow()
			},
			10 * time.Minute,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, newServer makeServer) {
				s := newServer(row.opts...)
				c := dial(t, s)
				synctest.Wait()
				row.end(s, c)
				synctest.Wait()
				// A dial at the very moment may go either way.
				if refused, free := freeBetween(t, s, max(row.want/20, time.Millisecond)); refused > row.want || free < row.want {
					t.Errorf("refused after %v, free after %v, want %v", refused, free, row.want)
				}
			})
		})
	}
}

func TestIdleConnectionIsClosedAfterTenMinutes(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		c := dial(t, s)
		for range 3 { // a message in either direction begins the time anew
			time.Sleep(9 * time.Minute)
			c.wantPong()
			time.Sleep(9 * time.Minute)
			id := publish(t, s, 1)[0]
			c.ack(c.wantEvent(id))
		}
		start := time.Now()
		c.wantClose(1005)
		if took := time.Since(start); took != 10*time.Minute {
			t.Errorf("closed after %v, want 10m", took)
		}
		r := records(s, edstest.OpDisconnect)
		if len(r) != 1 || r[0].Code != 1005 {
			t.Errorf("records %v", r)
		}
	})
}

// Whether control pings count as traffic is not published, so they must not.
func TestControlPingsDoNotKeepAConnectionAlive(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer(edstest.IdleBy(edstest.Drop()))
		c := dial(t, s)
		start := time.Now()
		var pinging sync.WaitGroup
		defer func() { _ = c.ws.CloseNow(); pinging.Wait() }()
		pinging.Go(func() {
			for c.ws.Ping(t.Context()) == nil {
				time.Sleep(time.Minute)
			}
		})
		c.wantClose(-1)
		if took := time.Since(start); took != 10*time.Minute {
			t.Errorf("closed after %v, want 10m", took)
		}
	})
}

func TestIdleTimeoutCanBeOff(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer(edstest.IdleTimeout(0))
		c := dial(t, s)
		time.Sleep(24 * time.Hour)
		c.wantPong()
	})
}

// A client that does not read holds up the server's writer, but not the idle
// timeout.
func TestIdleTimeoutEndsAClientThatDoesNotRead(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		dial(t, s)
		publish(t, s, 1)
		start := time.Now()
		if err := s.WaitDisconnected(t.Context()); err != nil {
			t.Fatal(err)
		}
		// Five more seconds are given to the close frame.
		if took := time.Since(start); took != 10*time.Minute+5*time.Second {
			t.Errorf("ended after %v", took)
		}
	})
}

func TestConnectionEndsAtItsMaximumAge(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer(edstest.MaxConnectionAge(2 * time.Hour))
		c := dial(t, s)
		start := time.Now()
		var pinging sync.WaitGroup
		defer func() { _ = c.ws.CloseNow(); pinging.Wait() }()
		pinging.Go(func() {
			for c.ws.Write(t.Context(), websocket.MessageText, []byte(`{"frameType":"PING"}`)) == nil {
				time.Sleep(time.Minute)
			}
		})
		c.wantClose(1001)
		if took := time.Since(start); took != 2*time.Hour {
			t.Errorf("closed after %v, want 2h", took)
		}
	})
}

// Ten are delivered, four acknowledged, the connection breaks: six come again
// at once, before anything new, and the four never.
func TestUnackedEventsComeBackOnTheNextConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		ids := publish(t, s, 14)
		c := dial(t, s)
		var receipts []string
		for _, id := range ids[:10] {
			receipts = append(receipts, c.wantEvent(id))
		}
		s.Queue().Hold()
		for i := range 4 {
			c.ack(receipts[2*i])
		}
		s.Break(edstest.Drop())
		c.wantBreak()
		if err := s.WaitDisconnected(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Queue().Resume()
		start := time.Now()
		c = dial(t, s)
		for _, i := range []int{1, 3, 5, 7, 8, 9, 10, 11, 12, 13} {
			c.wantEvent(ids[i])
		}
		c.wantPong()
		if took := time.Since(start); took != 0 {
			t.Errorf("they came after %v", took)
		}
	})
}

func TestHoldUnackedWaitsForTheVisibilityTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer(edstest.HoldUnacked(), edstest.Window(2))
		start := time.Now()
		ids := publish(t, s, 3)
		c := dial(t, s)
		c.wantEvent(ids[0])
		time.Sleep(10 * time.Second)
		_ = c.ws.Close(1000, "")
		c = dial(t, s)
		c.wantPong() // ids[0] and ids[1] fill the window although this connection has seen nothing
		c.wantEvent(ids[0])
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("the event came back after %v, want 30s", took)
		}
	})
}

func TestHoldAndResumeDeliverInBulk(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		c := dial(t, s)
		s.Queue().Hold()
		ids := publish(t, s, 5)
		c.wantPong()
		s.Queue().Resume()
		for _, id := range ids {
			c.wantEvent(id)
		}
	})
}

func TestShutdownClosesWithGoingAway(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		c := dial(t, s)
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(soon(t)) }()
		c.wantClose(1001)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Shutdown(soon(t)); err != nil {
			t.Error(err)
		}
		if _, _, err := try(t, s, "?queue="+edstest.DefaultQueue, key(edstest.DefaultKey)); err == nil {
			t.Error("the server still answers")
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		c := dial(t, s)
		publish(t, s, 30)
		s.Break(edstest.Freeze()) // the writer is stuck
		waiting := make(chan error, 1)
		go func() { waiting <- s.WaitIdle(t.Context()) }()
		s.Close()
		s.Close()
		c.wantClose(-1)
		if err := <-waiting; err == nil {
			t.Error("WaitIdle was satisfied by Close")
		}
	})
}

// The handler serves where a user's own server listens.
func TestServerIsAHandler(t *testing.T) {
	s := edstest.NewTestServer(t)
	outer := http.NewServeMux()
	outer.Handle("/", s)
	server := httptest.NewServer(outer)
	defer server.Close()
	c, _, err := tryAt(t, server.Client(), server.URL, "/subscribe?queue="+edstest.DefaultQueue, key(edstest.DefaultKey))
	if err != nil {
		t.Fatal(err)
	}
	id := publish(t, s, 1)[0]
	c.ack(c.wantEvent(id))
}

// While nothing happens the server is durably blocked: the bubble's clock
// would not move otherwise.
func TestIdleServerIsDurablyBlocked(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		c := dial(t, s)
		s.Break(edstest.Freeze())
		ids := publish(t, s, 3)
		time.Sleep(time.Minute) // the writer waits for the thaw
		s.Queue().Thaw()
		c.wantEvent(ids[0])
	})
}

func TestConnectNamesTheClient(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		dial(t, s)
		for _, r := range s.History() {
			if r.Op == edstest.OpConnect && r.Detail == "pipe" { // what net.Pipe has for an address
				return
			}
		}
		t.Errorf("no record names the client: %v", s.History())
	})
}

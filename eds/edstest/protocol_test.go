package edstest_test

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/eds/edstest"
)

type makeServer = func(...edstest.Option) *edstest.Server

func TestEventIsDeliveredAndAcknowledged(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		c := dial(t, s)
		id, err := s.Publish(edstest.DefaultQueue, edstest.Event{
			ID: "e1", Type: "T<&>", Payload: []byte(`{"n":12345678901234567890.10}`),
			Time: time.Date(2026, 3, 20, 15, 30, 0, 0, time.FixedZone("CET", 3600)),
		})
		if err != nil || id != "e1" {
			t.Fatal(id, err)
		}
		f := c.next()
		p := f.Payload
		if f.Type != "EVENT" || p.EventID != "e1" || p.EventType != "T<&>" || p.Receipt == "" ||
			p.TS != "2026-03-20T14:30:00.000Z" || p.Queue != edstest.DefaultQueue || string(p.Payload) != `{"n":12345678901234567890.10}` {
			t.Errorf("frame %+v", f)
		}
		if got := s.Queue().Unacked(); len(got) != 1 || got[0] != "e1" {
			t.Errorf("unacked %q", got)
		}
		c.ack(p.Receipt)
		if err := s.WaitAcked(soon(t), "e1"); err != nil {
			t.Error(err)
		}
		if err := s.WaitIdle(soon(t)); err != nil {
			t.Error(err)
		}
		if got := s.Queue().Counts(); got != (edstest.Counts{Connected: true, Acked: 1, Deliveries: 1}) {
			t.Errorf("counts %+v", got)
		}
	})
}

func TestRedeliveryAfterTheVisibilityTimeoutHasANewReceipt(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		c := dial(t, s)
		start := time.Now()
		id := publish(t, s, 1)[0]
		first := c.wantEvent(id)
		if took := time.Since(start); took != 0 {
			t.Errorf("the first delivery took %v", took)
		}
		second := c.wantEvent(id)
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("the redelivery came after %v, want 30s", took)
		}
		if first == second {
			t.Error("both deliveries have the same receipt")
		}
		third := c.wantEvent(id)
		if took := time.Since(start); took != time.Minute {
			t.Errorf("the second redelivery came after %v, want 1m", took)
		}
		c.ack(third)
		time.Sleep(time.Hour) // nothing more comes
		synctest.Wait()
		if n := len(records(s, edstest.OpDeliver, edstest.OpRedeliver)); n != 3 {
			t.Errorf("%d deliveries", n)
		}
	})
}

func TestWindowBoundsWhatIsInFlight(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		for _, window := range []int{1, 3, 0} {
			s := newServer(edstest.Window(window))
			c := dial(t, s)
			ids := publish(t, s, 6)
			n := window
			if n == 0 {
				n = len(ids)
			}
			var receipts []string
			for _, id := range ids[:n] {
				receipts = append(receipts, c.wantEvent(id))
			}
			c.wantPong() // and nothing between
			if got := s.Queue().Counts(); got.InFlight != n || got.Waiting != len(ids)-n {
				t.Errorf("window %d: %+v", window, got)
			}
			c.ack(receipts[0])
			if window > 0 {
				c.wantEvent(ids[n])
			}
			c.wantPong()
		}
	})
}

// With window 1 an event that is not acknowledged holds up all others: it is
// itself what comes next, for ever.
func TestUnackedEventHoldsUpNewOnes(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer(edstest.Window(1))
		c := dial(t, s)
		ids := publish(t, s, 2)
		for range 4 {
			c.wantEvent(ids[0])
		}
		c.ack(c.wantEvent(ids[0]))
		c.wantEvent(ids[1])
	})
}

func TestRedeliverLastLetsOthersGoFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer(edstest.Window(1), edstest.RedeliverLast())
		c := dial(t, s)
		ids := publish(t, s, 2)
		c.wantEvent(ids[0])
		c.ack(c.wantEvent(ids[1]))
		c.wantEvent(ids[0])
	})
}

func TestOldReceipts(t *testing.T) {
	for _, row := range []struct {
		name     string
		opts     []edstest.Option
		newConn  bool // acknowledge on another connection than the receipt's
		settles  bool
		wantRest edstest.Op
	}{
		{name: "strict_earlier_delivery_deletes_nothing", wantRest: edstest.OpAckStale},
		{name: "lenient_earlier_delivery_deletes", opts: []edstest.Option{edstest.LenientReceipts()}, settles: true, wantRest: edstest.OpAck},
		{name: "strict_earlier_connection_deletes_nothing", newConn: true, wantRest: edstest.OpAckStale},
		{name: "lenient_earlier_connection_deletes", opts: []edstest.Option{edstest.LenientReceipts()}, newConn: true, settles: true, wantRest: edstest.OpAck},
	} {
		t.Run(row.name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, newServer makeServer) {
				s := newServer(row.opts...)
				c := dial(t, s)
				id := publish(t, s, 1)[0]
				old := c.wantEvent(id)
				if row.newConn {
					if err := c.ws.Close(1000, ""); err != nil {
						t.Fatal(err)
					}
					c = dial(t, s)
				} else if n := s.Queue().Expire(id); n != 1 {
					t.Fatalf("%d events expired", n)
				}
				newest := c.wantEvent(id)
				c.ack(old) // is answered in any case
				if got := len(s.Queue().Unacked()) == 0; got != row.settles {
					t.Errorf("the old receipt settled the event: %t, want %t", got, row.settles)
				}
				c.ack(newest)
				c.ack("never given out")
				if err := s.WaitIdle(soon(t)); err != nil {
					t.Error(err)
				}
				var got []edstest.Op
				for _, r := range records(s, edstest.OpAck, edstest.OpAckStale, edstest.OpAckDuplicate, edstest.OpAckUnknown) {
					got = append(got, r.Op)
				}
				second := edstest.OpAck
				if row.settles {
					second = edstest.OpAckDuplicate
				}
				want := []edstest.Op{row.wantRest, second, edstest.OpAckUnknown}
				if !slices.Equal(got, want) {
					t.Errorf("acknowledgements %q, want %q", got, want)
				}
			})
		})
	}
}

// A receipt belongs to the connection that brought it, also while nobody else
// was given the event.
func TestReceiptOfAnEndedConnection(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		for _, lenient := range []bool{false, true} {
			var opts []edstest.Option
			if lenient {
				opts = append(opts, edstest.LenientReceipts())
			}
			s := newServer(opts...)
			c := dial(t, s)
			receipt := c.wantEvent(publish(t, s, 1)[0])
			s.Queue().Hold()
			_ = c.ws.Close(1000, "")
			dial(t, s).ack(receipt)
			if settled := len(s.Queue().Unacked()) == 0; settled != lenient {
				t.Errorf("lenient %t: settled %t", lenient, settled)
			}
		}
	})
}

// An acknowledgement that comes after the time-out, but before anybody else
// was given the event, still counts.
func TestLateAckOfTheNewestReceiptDeletes(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		c := dial(t, s)
		id := publish(t, s, 1)[0]
		receipt := c.wantEvent(id)
		s.Queue().Hold()
		s.Queue().Expire()
		c.ack(receipt)
		s.Queue().Resume()
		c.wantPong() // and no second delivery
		if err := s.WaitIdle(soon(t)); err != nil {
			t.Error(err)
		}
	})
}

func TestPingIsAnswered(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		c := dial(t, s)
		for _, row := range []struct{ ping, pong string }{
			{`{"frameType":"PING","framePayload":{"correlationId":"p-1"}}`, `{"frameType":"PONG","framePayload":{"correlationId":"p-1"}}`},
			{`{"frameType":"PING","framePayload":{"correlationId":"\u00e9\""}}`, `{"frameType":"PONG","framePayload":{"correlationId":"\u00e9\""}}`},
			{`{"frameType":"PING"}`, `{"frameType":"PONG"}`},
			{`{"framePayload":{},"frameType":"PING"}`, `{"frameType":"PONG"}`},
			{`{"frameType":"PING","framePayload":null}`, `{"frameType":"PONG"}`},
		} {
			c.write(row.ping)
			if _, got, err := c.message(); err != nil || string(got) != row.pong {
				t.Errorf("%s: answer %s, %v; want %s", row.ping, got, err, row.pong)
			}
		}
	})
}

func TestRepliesCanBeLeftOut(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer(edstest.NoReplies())
		c := dial(t, s)
		id := publish(t, s, 1)[0]
		c.sendAck(c.wantEvent(id))
		c.wantPong() // and no reply before it
		if err := s.WaitAcked(soon(t), id); err != nil {
			t.Error(err)
		}
	})
}

func TestUnreadableMessagesAreCountedAndSurvived(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		c := dial(t, s)
		bad := []string{
			"", "x", "[]", "null", "{}", `{"frameType":1}`, `{"frameType":"NACK"}`, "{\"frameType\":\"PING\xff\"}",
			`{"frameType":"ACK_EVENT"}`, `{"frameType":"ACK_EVENT","framePayload":{"receiptId":""}}`,
			`{"frameType":"ACK_EVENT","framePayload":{"receiptId":7}}`, `{"frameType":"ACK_EVENT","framePayload":[]}`,
			`{"frameType":"PING","frameType":"PING"}`, strings.Repeat("[", 20000),
		}
		for _, text := range bad {
			c.write(text)
		}
		if err := c.ws.Write(t.Context(), websocket.MessageBinary, []byte(`{"frameType":"PING"}`)); err != nil {
			t.Fatal(err)
		}
		c.wantPong()
		if got := len(records(s, edstest.OpBadFrame)); got != len(bad)+1 {
			t.Errorf("%d bad frames, want %d", got, len(bad)+1)
		}
	})
}

func TestMessageAboveTheLimitClosesWith1009(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		c := dial(t, s)
		// The write may fail: the server stops reading in the middle of it.
		_ = c.ws.Write(t.Context(), websocket.MessageText, make([]byte, 128<<10+1))
		if err := s.WaitDisconnected(soon(t)); err != nil {
			t.Fatal(err)
		}
		if r := records(s, edstest.OpDisconnect); len(r) != 1 || r[0].Code != 1009 {
			t.Errorf("ended with %v", r)
		}
	})
}

func TestBacklogComesInBulkInOrder(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer(edstest.Window(0))
		ids := publish(t, s, 2000)
		c := dial(t, s)
		for _, id := range ids {
			c.wantEvent(id)
		}
		c.wantPong()
	})
}

func TestEventsOfALargeSizeArrive(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		c := dial(t, s)
		for _, size := range []int{0, 1, 100, 65000, 65536, 1 << 20} {
			payload := []byte(`"` + strings.Repeat("x", size) + `"`)
			if _, err := s.Publish(edstest.DefaultQueue, edstest.Event{Type: "T", Payload: payload}); err != nil {
				t.Fatal(err)
			}
			f := c.next()
			if !bytes.Equal(f.Payload.Payload, payload) {
				t.Errorf("%d bytes arrived, want %d", len(f.Payload.Payload), len(payload))
			}
			c.ack(f.Payload.Receipt)
		}
	})
}

func TestQueuesAreIndependent(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer(edstest.Queues("a/b & c", "d"))
		one, _, err := try(t, s, "?queue=a%2Fb+%26+c", key(edstest.DefaultKey))
		if err != nil {
			t.Fatal(err)
		}
		two, _, err := try(t, s, "/subscribe?queue=d&other=1", key(edstest.DefaultKey))
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]*client{"a/b & c": one, "d": two} {
			id, err := s.Publish(name, edstest.Event{Type: "T"})
			if err != nil {
				t.Fatal(err)
			}
			f := c.next()
			if f.Payload.EventID != id || f.Payload.Queue != name {
				t.Errorf("queue %q got %+v", name, f)
			}
		}
		if err := s.WaitConnected(soon(t)); err != nil {
			t.Error(err)
		}
	})
}

func TestSeedMakesIdsRepeatable(t *testing.T) {
	ids := func(n uint64) []string { return publish(t, edstest.NewTestServer(t, edstest.Seed(n)), 3) }
	if !slices.Equal(ids(7), ids(7)) || slices.Equal(ids(7), ids(8)) {
		t.Error("the ids do not follow from the seed")
	}
	if id := ids(7)[0]; !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
		t.Errorf("%q is not a random UUID", id)
	}
}

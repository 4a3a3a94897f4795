package pulsartest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

// A malformed command ends its session, and is recorded. Which ends with what,
// the suite of package pulsarws tries on both; -1 stands for the end of TCP
// without a close frame.
func TestMalformedCommands(t *testing.T) {
	for text, want := range map[string]websocket.StatusCode{
		`{}`:                       1011,
		`no json`:                  -1,
		"{\"messageId\":\"\xff\"}": 1007,
	} {
		in(t, func(t *testing.T, s *pulsartest.Server) {
			c := dial(t, s, consumerPath("sub", ""))
			c.send(text)
			if code := c.ended(); code != want {
				t.Errorf("%q: ended with %d, want %d", text, code, want)
			}
			if err := s.WaitConnected(t.Context(), 0); err != nil {
				t.Error(err)
			}
			if n := count(s, pulsartest.OpBadCommand); n != 1 {
				t.Errorf("%q: %d records of it", text, n)
			}
		})
	}
}

func TestHarmlessCommands(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "receiverQueueSize=1"))
		publish(t, s, "1", "2")
		one := c.expect("1")[0]
		if err := c.ws.Write(t.Context(), websocket.MessageBinary, []byte(`{"messageId":"`+one.MessageID+`"}`)); err != nil {
			t.Fatal(err)
		}
		c.expect() // a binary message is no command
		c.send(` { "x": [1], "type": "acknowledge", "messageId": "` + one.MessageID + `" } trailing`)
		c.expect("2")
		if !c.open() {
			t.Error("the session ended")
		}
	})
}

func TestMalformedOnAReader(t *testing.T) {
	for text, want := range map[string]websocket.StatusCode{`no json`: -1, ``: -1, `[]`: -1, `null`: 1011} {
		in(t, func(t *testing.T, s *pulsartest.Server) {
			c := dial(t, s, readerPath(""))
			c.send(text)
			if code := c.ended(); code != want {
				t.Errorf("%q: ended with %d, want %d", text, code, want)
			}
		})
	}
}

// Jetty 12 refuses to close with the service's own codes.
func TestKeepOnBadCommand(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		publish(t, s, "1", "2", "3")
		c := dial(t, s, consumerPath("sub", ""))
		r := dial(t, s, readerPath("messageId=earliest&receiverQueueSize=1"))
		r.expect("1")
		c.send(`no json`)
		r.send(`no json`)
		r.expect("2") // a credit all the same
		if !c.open() || !r.open() {
			t.Error("a session ended")
		}
	}, pulsartest.KeepOnBadCommand())
}

func TestTooLarge(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		p := dial(t, s, producerPath(""))
		p.send(`{"payload":"` + strings.Repeat("A", 1<<20-24) + `"}`)
		if e := p.next(); e.Result != "ok" {
			t.Errorf("1 MiB: %s", e.raw)
		}
		p.send(`{"payload":"` + strings.Repeat("A", 1<<20) + `"}`)
		if code := p.ended(); code != websocket.StatusMessageTooBig {
			t.Errorf("ended with %d", code)
		}
	})
}

func TestIdle(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		quiet, pinging := dial(t, s, consumerPath("a", "")), dial(t, s, consumerPath("b", ""))
		for range 10 {
			sleep(time.Minute)
			if err := pinging.ws.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var closed websocket.CloseError
		if err := <-quiet.over; !errors.As(err, &closed) || closed.Code != websocket.StatusGoingAway ||
			!strings.HasPrefix(closed.Reason, "java.util.concurrent.TimeoutException: Idle timeout expired: 300000/300000 ms") {
			t.Errorf("ended with %v", err)
		}
		if !pinging.open() {
			t.Error("pings do not reset the idle timeout")
		}
	})
}

func TestCommandsResetTheIdleTimeout(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", ""))
		for range 10 {
			sleep(time.Minute)
			c.permit(1)
		}
		if !c.open() {
			t.Error("the session ended")
		}
	})
}

func TestServerPings(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", ""))
		sleep(time.Hour)
		if !c.open() {
			t.Error("a client that answers pings was idle")
		}
	}, pulsartest.PingEvery(time.Minute))
}

func TestShutdown(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", ""))
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if code := c.ended(); code != websocket.StatusNoStatusRcvd {
			t.Errorf("ended with %d", code)
		}
		if _, err := s.DialContext(t.Context(), "tcp", ""); !errors.Is(err, pulsartest.ErrClosed) {
			t.Errorf("DialContext: %v", err)
		}
	})
}

func TestBreak(t *testing.T) {
	for code, how := range map[websocket.StatusCode]pulsartest.Breakage{
		-1: pulsartest.Drop(), 1001: pulsartest.Close(1001, "moving"), 1005: pulsartest.Close(1005, ""),
	} {
		in(t, func(t *testing.T, s *pulsartest.Server) {
			a, b := dial(t, s, consumerPath("sub", "")), dial(t, s, readerPath(""))
			if n := s.Break(how); n != 2 {
				t.Errorf("%d were broken", n)
			}
			for _, c := range []*client{a, b} {
				if got := c.ended(); got != code {
					t.Errorf("%s: ended with %d", how, got)
				}
			}
			// The client may hear of a drop before the server's reader does.
			if err := s.WaitConnected(t.Context(), 0); err != nil {
				t.Error(err)
			}
			dial(t, s, consumerPath("sub", ""))
		})
	}
}

func TestFreezeAndThaw(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", ""))
		freeze := s.OnDeliver(pulsartest.Freeze(), pulsartest.Skip(1))
		publish(t, s, "1", "2", "3")
		c.expect("1")
		if err := freeze.Wait(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		s.Thaw()
		c.expect("2", "3")
	})
}

func TestMutedDialIsNeverAnswered(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		s.OnDial(pulsartest.Mute())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		conn, err := s.DialContext(ctx, "tcp", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go func() { _, _ = conn.Write([]byte("GET " + readerPath("") + " HTTP/1.1\r\nHost: x\r\n\r\n")) }()
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("answered: %d, %v", n, err)
		}
	})
}

func TestCommandFaults(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", ""))
		ids := publish(t, s, "1", "2", "3")
		got := c.expect("1", "2", "3")
		lost := s.OnCommand(pulsartest.Ack, pulsartest.Lose(), pulsartest.ForMessage(ids[0]))
		s.OnCommand(pulsartest.Ack, pulsartest.Delay(time.Minute), pulsartest.ForMessage(ids[1]))
		never := s.OnCommand(pulsartest.Nack, pulsartest.Drop())
		for _, e := range got {
			c.ack(e)
		}
		acked(t, s, "sub", ids[2])
		orders := handle(t, s, topic)
		if got := orders.Unacked("sub"); len(got) != 2 || lost.Count() != 1 {
			t.Errorf("unacked %q, lost %d", got, lost.Count())
		}
		sleep(time.Minute)
		if got := orders.Unacked("sub"); len(got) != 1 || got[0] != ids[0] {
			t.Errorf("unacked %q", got)
		}
		never.Cancel()
		c.nack(got[0])
		if c.open(); never.Count() != 0 {
			t.Error("a cancelled fault happened")
		}
	})
}

func TestDeliveryFaults(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "subscriptionType=Shared"))
		for _, do := range []pulsartest.DeliverAction{
			pulsartest.Lose(), pulsartest.Duplicate(1), pulsartest.Binary(), pulsartest.Fragment(3),
			pulsartest.Replace([]byte(`{"endOfTopic":"true"}`)),
			pulsartest.Rewrite(func(b []byte) []byte { return b[:10] }),
		} {
			s.OnDeliver(do)
			publish(t, s, "x")
			synctest.Wait()
			var raws []string
			for len(c.got) > 0 {
				e := <-c.got
				raws = append(raws, e.raw)
				if binary := do.String() == "binary"; binary != (e.kind == websocket.MessageBinary) {
					t.Errorf("%s: kind %v", do, e.kind)
				}
			}
			switch want := map[string]int{"lose": 0, "duplicate 1": 2}[do.String()]; {
			case do.String() == "lose" || do.String() == "duplicate 1":
				if len(raws) != want {
					t.Errorf("%s: %q", do, raws)
				}
			case len(raws) != 1:
				t.Errorf("%s: %q", do, raws)
			case do.String() == "replace" && raws[0] != `{"endOfTopic":"true"}`:
				t.Errorf("%s: %q", do, raws)
			case do.String() == "rewrite" && raws[0] != `{"messageI`:
				t.Errorf("%s: %q", do, raws)
			}
		}
		s.OnDeliver(pulsartest.Cut(40))
		publish(t, s, "x")
		if code := c.ended(); code != -1 {
			t.Errorf("cut: ended with %d", code)
		}
	})
}

func TestRawAndSent(t *testing.T) {
	in(t, func(t *testing.T, s *pulsartest.Server) {
		c := dial(t, s, consumerPath("sub", "receiverQueueSize=1"))
		id, err := s.PublishRaw(topic, []byte(`{"messageId":"`+pulsartest.Placeholder+`","payload":"no base64"}`))
		if err != nil {
			t.Fatal(err)
		}
		e := c.next()
		if e.raw != `{"messageId":"`+id+`","payload":"no base64"}` {
			t.Errorf("envelope %s", e.raw)
		}
		orders := handle(t, s, topic)
		// What belongs to no message passes a full window.
		if n := orders.Send([]byte("no json")) + orders.SendBinary([]byte{1}); n != 2 {
			t.Errorf("sent to %d", n)
		}
		if e := c.next(); e.raw != "no json" || e.kind != websocket.MessageText {
			t.Errorf("sent %q", e.raw)
		}
		if e := c.next(); e.raw != "\x01" || e.kind != websocket.MessageBinary {
			t.Errorf("sent %q", e.raw)
		}
		c.close()
		c = dial(t, s, consumerPath("sub", ""))
		c.ack(c.next())
		acked(t, s, "sub", id)
	})
}

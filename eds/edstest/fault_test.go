package edstest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/eds/edstest"
)

const defaultQuery = "?queue=" + edstest.DefaultQueue

func TestDialFaults(t *testing.T) {
	for _, row := range []struct {
		do     edstest.DialAction
		status int
		header string // name: value
	}{
		{do: edstest.Refuse(401), status: 401},
		{do: edstest.Refuse(403), status: 403},
		{do: edstest.Refuse(404), status: 404},
		{do: edstest.Refuse(409), status: 409},
		{do: edstest.Refuse(429).With("Retry-After", "7"), status: 429, header: "Retry-After: 7"},
		{do: edstest.Refuse(500), status: 500},
		{do: edstest.Refuse(503).With("Retry-After", "-1"), status: 503, header: "Retry-After: -1"},
		{do: edstest.Refuse(302).With("Location", "http://elsewhere.example/"), status: 302, header: "Location: http://elsewhere.example/"},
		{do: edstest.Drop()},
		{do: edstest.Reset()},
		{do: edstest.Answer([]byte("SSH-2.0-x\r\n"))},
		{do: edstest.Answer([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n")), status: 101},
	} {
		t.Run(row.do.String(), func(t *testing.T) {
			everywhere(t, func(t *testing.T, newServer makeServer) {
				s := newServer()
				fault := s.OnDial(row.do, edstest.Times(2))
				for range 2 {
					ws, resp, err := websocket.Dial(t.Context(), s.URL()+defaultQuery, &websocket.DialOptions{
						HTTPClient: httpClient(t, s), HTTPHeader: key(edstest.DefaultKey),
					})
					if err == nil {
						_ = ws.CloseNow()
						t.Fatal("the dial succeeded")
					}
					switch {
					case row.status == 0 && resp != nil:
						t.Errorf("status %d", resp.StatusCode)
					case row.status != 0 && (resp == nil || resp.StatusCode != row.status):
						t.Fatalf("answer %+v (%v)", resp, err)
					}
					if name, value, ok := strings.Cut(row.header, ": "); ok && resp.Header.Get(name) != value {
						t.Errorf("header %v", resp.Header)
					}
				}
				dial(t, s).wantPong() // the third one
				wantCount(t, s, fault, 2)
			})
		})
	}
}

// wantCount checks that the fault happened n times and is in the history.
func wantCount(t *testing.T, s *edstest.Server, fault *edstest.Fault, n int) {
	t.Helper()
	if got := fault.Count(); got != n {
		t.Errorf("fault %q happened %d times, want %d", fault, got, n)
	}
	for _, r := range records(s, edstest.OpFault) {
		if r.Detail == fault.String() {
			n--
		}
	}
	if n != 0 {
		t.Errorf("the history lacks %d records of fault %q", n, fault)
	}
}

func TestDialIsClosedAfterTheUpgrade(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		for _, code := range []int{4401, 4403, 4409, 4500, 1001} {
			fault := s.OnDial(edstest.Close(code, "go away"))
			dial(t, s).wantClose(code)
			wantCount(t, s, fault, 1)
		}
	})
}

func TestDialIsAnsweredLateOrNever(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		late := s.OnDial(edstest.Delay(45 * time.Second))
		start := time.Now()
		c := dial(t, s)
		if took := time.Since(start); took != 45*time.Second {
			t.Errorf("the dial took %v", took)
		}
		_ = c.ws.Close(1000, "")
		wantCount(t, s, late, 1)

		never := s.OnDial(edstest.Mute())
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, _, err := websocket.Dial(ctx, s.URL()+defaultQuery, &websocket.DialOptions{
			HTTPClient: httpClient(t, s), HTTPHeader: key(edstest.DefaultKey),
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the dial ended with %v", err)
		}
		wantCount(t, s, never, 1)
		dial(t, s)
	})
}

func TestSendFaultsThatChangeAFrame(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer(edstest.Window(0))
		c := dial(t, s)
		for _, row := range []struct {
			name string
			do   edstest.SendAction
			seen func(kind websocket.MessageType, got, plain []byte) bool
		}{
			{"corrupt", edstest.Corrupt(0), func(_ websocket.MessageType, got, plain []byte) bool {
				return got[0] == 'z' && len(got) == len(plain)
			}},
			{"corrupt_from_the_end", edstest.Corrupt(-1), func(_ websocket.MessageType, got, plain []byte) bool {
				return got[len(got)-1] == '|' && len(got) == len(plain)
			}},
			{"corrupt_outside", edstest.Corrupt(1 << 30), func(_ websocket.MessageType, got, _ []byte) bool { return got[0] == 'z' }},
			{"binary", edstest.Binary(), func(kind websocket.MessageType, got, plain []byte) bool {
				return kind == websocket.MessageBinary && len(got) == len(plain)
			}},
			{"invalid_utf8", edstest.InvalidUTF8(), func(_ websocket.MessageType, got, _ []byte) bool {
				return !utf8.Valid(got) && bytes.Contains(got, []byte("\"eventId\":\"\xff"))
			}},
			{"replace", edstest.Replace([]byte("garbage")), func(_ websocket.MessageType, got, _ []byte) bool {
				return string(got) == "garbage"
			}},
			{"rewrite", edstest.Rewrite(func(m []byte) []byte { return append(slices.Clip(m), ' ') }), func(_ websocket.MessageType, got, plain []byte) bool {
				return len(got) == len(plain)+1
			}},
			{"wrong_receipt", edstest.WrongID(), func(_ websocket.MessageType, got, _ []byte) bool {
				return bytes.Contains(got, []byte("nobody-knows-this"))
			}},
			{"no_payload", edstest.NoPayload(), func(_ websocket.MessageType, got, _ []byte) bool {
				return string(got) == `{"frameType":"EVENT"}`
			}},
			{"fragment", edstest.Fragment(7), func(_ websocket.MessageType, got, plain []byte) bool {
				return len(got) == len(plain)
			}},
		} {
			publish(t, s, 1)
			_, plain, err := c.message()
			if err != nil {
				t.Fatal(err)
			}
			fault := s.OnSend(edstest.Events, row.do)
			publish(t, s, 1)
			kind, got, err := c.message()
			if err != nil || !row.seen(kind, got, plain) {
				t.Errorf("%s: %v message %q, %v", row.name, kind, got, err)
			}
			wantCount(t, s, fault, 1)
		}
		c.wantPong()
	})
}

func TestDuplicateSendsTheSameReceipt(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		fault := s.OnSend(edstest.Events, edstest.Duplicate(2))
		c := dial(t, s)
		id := publish(t, s, 1)[0]
		receipt := c.wantEvent(id)
		for range 2 {
			if again := c.wantEvent(id); again != receipt {
				t.Errorf("receipt %q, want %q", again, receipt)
			}
		}
		c.ack(receipt)
		c.ack(receipt)
		if n := len(records(s, edstest.OpAckDuplicate)); n != 1 {
			t.Errorf("%d duplicate acknowledgements", n)
		}
		wantCount(t, s, fault, 1)
	})
}

// The raw bytes tell that a message really went out in fragments with pings
// between: the client library hides it.
func TestFragmentedMessageHasPingsBetween(t *testing.T) {
	s := edstest.NewTestServer(t)
	raw := rawDial(t, s)
	fault := s.OnSend(edstest.Events, edstest.Fragment(3))
	publish(t, s, 1)
	var ops []byte
	for len(ops) < 5 {
		op, _ := raw.frame(t)
		ops = append(ops, op)
	}
	if want := []byte{0x01, 0x89, 0x00, 0x89, 0x80}; !bytes.Equal(ops, want) {
		t.Errorf("frames % x, want % x", ops, want)
	}
	wantCount(t, s, fault, 1)
}

func TestCutAtEveryByte(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		publish(t, s, 1)
		const header = 4
		raw := rawDial(t, s)
		_, plain := raw.frame(t)
		_ = raw.Close()
		whole := len(plain) + header
		for n := range whole + 2 { // a cut behind the end sends all of it
			if err := s.WaitDisconnected(t.Context()); err != nil {
				t.Fatal(err)
			}
			fault := s.OnSend(edstest.Events, edstest.Cut(n))
			got, err := io.ReadAll(rawDial(t, s).r)
			if err != nil || len(got) != min(n, whole) || !bytes.HasPrefix(plain, got[min(header, n):min(60, n)]) {
				t.Fatalf("cut at %d: %d bytes arrived, %q, %v", n, len(got), got, err)
			}
			wantCount(t, s, fault, 1)
		}
	})
}

// A whole frame, and then no more, although another is there.
func TestBreakageInsteadOfAFrame(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		for _, row := range []struct {
			how  edstest.Breakage
			code int
		}{
			{edstest.Drop(), -1}, {edstest.Reset(), -1},
			{edstest.Close(1001, "going away"), 1001}, {edstest.Close(1005, ""), 1005}, {edstest.Close(1009, ""), 1009},
			{edstest.Close(4401, ""), 4401}, {edstest.Close(4409, ""), 4409}, {edstest.Close(4500, ""), 4500},
		} {
			s := newServer()
			fault := s.OnSend(edstest.Events, row.how, edstest.Skip(1))
			ids := publish(t, s, 2)
			c := dial(t, s)
			c.wantEvent(ids[0])
			if row.code < 0 {
				c.wantBreak()
			} else {
				c.wantClose(row.code)
			}
			wantCount(t, s, fault, 1)
			if err := s.WaitDisconnected(soon(t)); err != nil {
				t.Error(err)
			}
			want := row.code
			if want < 0 {
				want = 1006
			}
			if r := records(s, edstest.OpDisconnect); len(r) != 1 || r[0].Code != want {
				t.Errorf("%v: records %v", row.how, r)
			}
		}
	})
}

func TestBreakNow(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		if s.Break(edstest.Drop()) != 0 || s.Queue().Break(edstest.Drop()) || s.Queue().Thaw() || s.Queue().Send(nil) {
			t.Error("there is no connection to break")
		}
		c := dial(t, s)
		if n := s.Break(edstest.Close(4409, "")); n != 1 {
			t.Errorf("%d connections were broken", n)
		}
		c.wantClose(4409)
		c = dial(t, s)
		if !s.Queue().Break(edstest.Drop()) {
			t.Error("there was no connection to break")
		}
		c.wantBreak()
	})
}

func TestMuteIsHalfOpen(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		c := dial(t, s)
		fault := s.OnSend(edstest.Events, edstest.Mute(), edstest.Skip(1))
		ids := publish(t, s, 2)
		receipt := c.wantEvent(ids[0])
		read := make(chan error, 1)
		go func() {
			_, got, err := c.message()
			if err == nil {
				err = fmt.Errorf("read %q", got)
			}
			read <- err
		}()
		// What the client writes is taken, and nobody sees it.
		c.sendAck(receipt)
		c.ping("x")
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		select {
		case err := <-read:
			t.Fatalf("the client heard of it: %v", err)
		default:
		}
		if n := len(records(s, edstest.OpAck, edstest.OpPing)); n != 0 {
			t.Errorf("%d frames were seen", n)
		}
		wantCount(t, s, fault, 1)
		if r, err := s.WaitRecord(t.Context(), func(r edstest.Record) bool { return r.Op == edstest.OpDisconnect }); err != nil || r.Code != 1005 {
			t.Errorf("%v, %v", r, err)
		}
		<-read
	})
}

// From the moment at which a breakage is decided on the server is deaf, also
// while frames that go before it are still on their way: tests need not guess.
func TestNothingIsSeenOnceABreakageIsDecided(t *testing.T) {
	for _, how := range []edstest.Breakage{edstest.Mute(), edstest.Drop(), edstest.Close(4500, "")} {
		inBubble(t, func(t *testing.T, newServer makeServer) {
			s := newServer()
			c := dial(t, s)
			receipt := c.wantEvent(publish(t, s, 1)[0])
			s.OnSend(edstest.Events, how, edstest.Skip(1))
			publish(t, s, 2)
			synctest.Wait() // the first of the two is stuck: the client does not read
			c.sendAck(receipt)
			c.ping("x")
			synctest.Wait()
			if got := records(s, edstest.OpAck, edstest.OpPing); len(got) != 0 {
				t.Errorf("%v: seen %v", how, got)
			}
			if got := records(s, edstest.OpAckLost); len(got) != 1 || got[0].Receipt != receipt {
				t.Errorf("%v: lost %v", how, got)
			}
		})
	}
}

func TestFreezeAndThaw(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		c := dial(t, s)
		fault := s.OnSend(edstest.Events, edstest.Freeze(), edstest.Skip(1))
		ids := publish(t, s, 3)
		receipt := c.wantEvent(ids[0])
		if err := fault.Wait(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		// From here on nothing is read, also while the first event is on its way.
		wrote := make(chan error, 1)
		go func() {
			for range 2 { // the first may be taken from the pipe, the second is not
				if err := c.ws.Write(t.Context(), websocket.MessageText, make([]byte, 8192)); err != nil {
					wrote <- err
				}
			}
			wrote <- nil
		}()
		synctest.Wait()
		select {
		case err := <-wrote:
			t.Fatalf("the write ended: %v", err)
		default:
		}
		wantCount(t, s, fault, 1)
		time.Sleep(20 * time.Second)
		s.Queue().Thaw()
		for _, id := range ids[1:] {
			c.wantEvent(id)
		}
		if err := <-wrote; err != nil {
			t.Error(err)
		}
		c.ack(receipt)
	})
}

func TestDelays(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer(edstest.Window(0))
		c := dial(t, s)
		start := time.Now()
		at := func(want time.Duration, what string) {
			t.Helper()
			if got := time.Since(start); got != want {
				t.Errorf("%s came after %v, want %v", what, got, want)
			}
		}
		faults := []*edstest.Fault{
			s.OnSend(edstest.Events, edstest.Delay(4*time.Second)),
			s.OnSend(edstest.Replies, edstest.Delay(3*time.Second)),
			s.OnSend(edstest.Pongs, edstest.Delay(2*time.Second)),
			s.OnReceive(edstest.Acks, edstest.Delay(time.Second)),
			s.OnReceive(edstest.Pings, edstest.Delay(time.Second)),
		}
		ids := publish(t, s, 2)
		receipt := c.wantEvent(ids[1])
		at(0, "the event that overtakes")
		c.ping("p")
		c.sendAck(receipt)
		if f := c.next(); f.Type != "PONG" {
			t.Errorf("%+v", f)
		}
		at(3*time.Second, "the PONG")
		c.wantEvent(ids[0])
		at(4*time.Second, "the late event")
		if f := c.next(); f.Type != "ACK_EVENT_REPLY" {
			t.Errorf("%+v", f)
		}
		at(4*time.Second, "the reply")
		for _, f := range faults {
			wantCount(t, s, f, 1)
		}
		// The clock of the late event began when the server sent it.
		c.wantEvent(ids[0])
		at(30*time.Second, "the redelivery")
	})
}

func TestLostFrames(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		c := dial(t, s)
		event := s.OnSend(edstest.Events, edstest.Lose())
		ack := s.OnReceive(edstest.Acks, edstest.Lose())
		reply := s.OnSend(edstest.Replies, edstest.Lose())
		pong := s.OnSend(edstest.Pongs, edstest.Lose())
		ping := s.OnReceive(edstest.Pings, edstest.Lose())
		start := time.Now()
		id := publish(t, s, 1)[0]
		receipt := c.wantEvent(id)
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("the lost event came again after %v", took)
		}
		c.sendAck(receipt) // lost
		if again := c.wantEvent(id); again == receipt {
			t.Error("the receipt is an old one")
		} else {
			c.sendAck(again) // its reply is lost
		}
		c.ping("lost")
		c.ping("its pong is lost")
		c.wantPong()
		for _, f := range []*edstest.Fault{event, ack, reply, pong, ping} {
			wantCount(t, s, f, 1)
		}
		if r := records(s, edstest.OpAckLost); len(r) != 1 || r[0].Receipt != receipt || r[0].EventID != id {
			t.Errorf("lost acknowledgements %v", r)
		}
		if r := records(s, edstest.OpReply); len(r) != 0 {
			t.Errorf("replies %v", r)
		}
		if err := s.WaitIdle(soon(t)); err != nil {
			t.Error(err)
		}
	})
}

func TestWrongIDs(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		c := dial(t, s)
		reply := s.OnSend(edstest.Replies, edstest.WrongID())
		pong := s.OnSend(edstest.Pongs, edstest.WrongID())
		bare := s.OnSend(edstest.Pongs, edstest.NoPayload())
		c.sendAck(c.wantEvent(publish(t, s, 1)[0]))
		if f := c.next(); f.Type != "ACK_EVENT_REPLY" || f.Payload.Receipt != "nobody-sent-this" {
			t.Errorf("%+v", f)
		}
		pong.Cancel()
		c.ping("mine")
		if _, got, err := c.message(); err != nil || string(got) != `{"frameType":"PONG"}` {
			t.Errorf("%q, %v", got, err)
		}
		c.wantPong()
		pong = s.OnSend(edstest.Pongs, edstest.WrongID())
		c.ping("mine")
		if f := c.next(); f.Type != "PONG" || f.Payload.Correlation != "nobody-sent-this" {
			t.Errorf("%+v", f)
		}
		wantCount(t, s, reply, 1)
		wantCount(t, s, bare, 1)
		wantCount(t, s, pong, 1)
	})
}

// The worst moments for a client: its acknowledgement is gone, or was taken,
// and it cannot tell which.
func TestConnectionBreaksAtAnAcknowledgement(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		id := publish(t, s, 1)[0]

		before := s.OnReceive(edstest.Acks, edstest.Drop(), edstest.ForEvent(id))
		c := dial(t, s)
		c.sendAck(c.wantEvent(id))
		c.wantBreak()
		wantCount(t, s, before, 1)
		if got := s.Queue().Unacked(); len(got) != 1 {
			t.Errorf("unacked %q, although the acknowledgement was lost", got)
		}

		after := s.OnSend(edstest.Replies, edstest.Drop())
		if err := s.WaitDisconnected(soon(t)); err != nil {
			t.Fatal(err)
		}
		c = dial(t, s)
		c.sendAck(c.wantEvent(id))
		c.wantBreak()
		wantCount(t, s, after, 1)
		if err := s.WaitAcked(soon(t), id); err != nil {
			t.Error(err)
		}
	})
}

func TestFaultLimits(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer(edstest.Window(0), edstest.Queues(edstest.DefaultQueue, "other"))
		c := dial(t, s)
		ids := publish(t, s, 1)
		c.wantEvent(ids[0])

		elsewhere := s.OnSend(edstest.Events, edstest.Drop(), edstest.ForQueue("other"), edstest.Always())
		second := s.OnSend(edstest.Events, edstest.Corrupt(0), edstest.When(func(m edstest.Moment) bool {
			return m.EventType == "odd" && m.Attempt == 1 && m.Conn == 1 && m.Receipt != ""
		}), edstest.Skip(1), edstest.Times(2))
		for _, kind := range []string{"odd", "even", "odd", "even", "odd", "odd"} {
			if _, err := s.Publish(edstest.DefaultQueue, edstest.Event{Type: kind}); err != nil {
				t.Fatal(err)
			}
		}
		var broken []int
		for i := range 6 {
			if _, got, err := c.message(); err != nil {
				t.Fatal(err)
			} else if got[0] != '{' {
				broken = append(broken, i)
			}
		}
		if fmt.Sprint(broken) != "[2 4]" {
			t.Errorf("messages %v are corrupt, want [2 4]", broken)
		}
		wantCount(t, s, second, 2)
		wantCount(t, s, elsewhere, 0)
		if err := second.Wait(soon(t), 2); err != nil {
			t.Error(err)
		}
	})
}

// Faults that leave the frame alive work together; one that ends it leaves the
// later ones for the next frame.
func TestFaultsCompose(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		c := dial(t, s)
		twice := s.OnSend(edstest.Pongs, edstest.Duplicate(1))
		binary := s.OnSend(edstest.Pongs, edstest.Binary())
		lose := s.OnSend(edstest.Pongs, edstest.Lose(), edstest.Skip(1))
		bare := s.OnSend(edstest.Pongs, edstest.NoPayload(), edstest.Skip(1))
		c.ping("1")
		for range 2 {
			if kind, got, err := c.message(); err != nil || kind != websocket.MessageBinary {
				t.Errorf("%v %q %v", kind, got, err)
			}
		}
		c.ping("lost")
		c.ping("bare")
		if _, got, err := c.message(); err != nil || string(got) != `{"frameType":"PONG"}` {
			t.Errorf("%q, %v", got, err)
		}
		for _, f := range []*edstest.Fault{twice, binary, lose, bare} {
			wantCount(t, s, f, 1)
		}
		refusals := []*edstest.Fault{s.OnDial(edstest.Refuse(503), edstest.Times(2)), s.OnDial(edstest.Refuse(429))}
		var got []int
		for range 4 {
			_, status, _ := try(t, s, defaultQuery, key(edstest.DefaultKey))
			got = append(got, status)
		}
		if fmt.Sprint(got) != "[503 503 429 409]" {
			t.Errorf("statuses %v", got)
		}
		wantCount(t, s, refusals[0], 2)
	})
}

func TestSendReachesTheLiveConnection(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		c := dial(t, s)
		junk := []byte{0xff, 0xfe, '{'}
		if !s.Queue().Send(junk) || !s.Queue().SendBinary(junk) {
			t.Fatal("there is a connection")
		}
		for _, want := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
			if kind, got, err := c.message(); err != nil || kind != want || !bytes.Equal(got, junk) {
				t.Errorf("%v %q %v", kind, got, err)
			}
		}
		c.wantPong()
	})
}

func TestRawMessages(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer(edstest.Window(1))
		// One without an id, which has to be acknowledged all the same.
		tracked, err := s.PublishRaw(edstest.DefaultQueue, []byte(`{"frameType":"EVENT","framePayload":{"receiptId":"`+edstest.Receipt+`"}}`))
		if err != nil {
			t.Fatal(err)
		}
		once, err := s.PublishRaw(edstest.DefaultQueue, []byte("garbage"))
		if err != nil {
			t.Fatal(err)
		}
		c := dial(t, s)
		old := c.wantEvent("")
		c.wantPong() // the window is full
		s.Queue().Expire(tracked)
		if newest := c.wantEvent(""); newest == old {
			t.Error("the same receipt again")
		} else {
			c.sendAck(newest)
		}
		seen := map[string]bool{}
		for range 2 { // the reply and the garbage
			_, got, err := c.message()
			if err != nil {
				t.Fatal(err)
			}
			seen[string(got)] = true
		}
		if !seen["garbage"] {
			t.Errorf("read %v", seen)
		}
		if err := s.WaitAcked(soon(t), tracked); err != nil {
			t.Error(err)
		}
		if err := s.WaitDelivered(soon(t), once, 1); err != nil {
			t.Error(err)
		}
		if err := s.WaitIdle(soon(t)); err != nil {
			t.Error(err)
		}
		if _, err := s.PublishRaw("other", nil); !errors.Is(err, edstest.ErrUnknownQueue) {
			t.Error(err)
		}
	})
}

// wantBreak reads until the connection ends without a close frame.
func (c *client) wantBreak() {
	c.t.Helper()
	c.wantClose(-1)
}

var _ http.Handler = (*edstest.Server)(nil)

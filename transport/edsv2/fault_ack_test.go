package edsv2

// fake time: TestFault runs each fault in a bubble

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/linktest"
	"github.com/eventdelivery/eds-go/internal/wslink"
)

var ackFaults = []fault{
	{"B19/foreign", testForeignAck},
	{"B23", testNoReplies},
	{"B23/some", testSomeReplies},
	{"B24", func(t *testing.T) {
		skipped(t, func(st Stats) uint64 { return st.StrayReplies },
			`{"frameType":"ACK_EVENT_REPLY","framePayload":{"receiptId":"never sent"}}`,
			`{"frameType":"ACK_EVENT_REPLY","framePayload":{"receiptId":7}}`,
			`{"frameType":"ACK_EVENT_REPLY","framePayload":null}`,
			`{"frameType":"ACK_EVENT_REPLY"}`)
	}},
	{"B25", testAckInAnyOrder},
}

var closeFaults = []fault{
	{"E1/replies", testCloseWaitsForReplies},
	{"E5", testEventsDuringClose},
}

func testForeignAck(t *testing.T) {
	tr := newService(t, sound(event("e1", "r1"))).client()
	d := must(t, tr)
	ack(t, tr, d)
	if err := tr.Ack(t.Context(), &eds.Delivery{}); err != nil {
		t.Errorf("Ack without a receipt = %v", err)
	}
	if err := tr.Nack(t.Context(), d); err != nil {
		t.Errorf("Nack = %v", err)
	}
}

// C7: the service never confirms.
func testNoReplies(t *testing.T) {
	const n = 3 * maxUnconfirmed
	s := newService(t, accept(func(p *peer) {
		for i := range n {
			p.Send(event("e", fmt.Sprint("r", i)))
		}
		p.Acks(n)
		p.Rest()
	}))
	tr := s.client()
	for range n {
		ack(t, tr, must(t, tr))
	}
	until(t, tr, time.Minute)
	if st := tr.Stats(); st.Unconfirmed != 0 || tr.Status().Unconfirmed != 0 {
		t.Errorf("%+v", st)
	}
	if got := len(present(tr).acks.sent); got > maxUnconfirmed {
		t.Errorf("%d remembered", got)
	}
	if s.Count() != 1 {
		t.Errorf("%d connections", s.Count())
	}
}

func testSomeReplies(t *testing.T) {
	reply := func(r string) string {
		return `{"frameType":"ACK_EVENT_REPLY","framePayload":{"receiptId":"` + r + `"}}`
	}
	s := newService(t, accept(func(p *peer) {
		for i := range 4 {
			p.Send(event("e", fmt.Sprint("r", i)))
		}
		p.Acks(4)
		time.Sleep(2 * time.Second)
		p.Send(reply("r2")) // out of order
		p.Send(reply("r0"))
		time.Sleep(20 * time.Second)
		p.Send(reply("r1")) // too late, but no stray
		p.Send(event("last", "r-last"))
		p.Rest()
	}))
	tr := s.client()
	for range 4 {
		ack(t, tr, must(t, tr))
	}
	until(t, tr, 3*time.Second)
	if st := tr.Status(); st.Unconfirmed != 2 {
		t.Errorf("%+v", st)
	}
	ack(t, tr, must(t, tr))
	if st := tr.Status(); st.Unconfirmed != 1 || st.Skipped != 0 {
		t.Errorf("%+v", st)
	}
	if st := tr.Stats(); st.Confirmed != 2 || st.Unconfirmed != 2 || st.ConfirmTime != 4*time.Second {
		t.Errorf("%+v", st)
	}
}

// The receipts of a redelivered event go out in the order in which they are
// acknowledged, newest first when the App has it so.
func testAckInAnyOrder(t *testing.T) {
	got := make(chan []string, 1)
	s := newService(t, accept(func(p *peer) {
		for i := range 3 {
			time.Sleep(30 * time.Second)
			p.Send(event("e", fmt.Sprint("r", i)))
		}
		got <- p.Acks(3)
		p.Rest()
	}))
	tr := s.client()
	var all []*eds.Delivery
	for range 3 {
		all = append(all, must(t, tr))
	}
	for i := range all {
		ack(t, tr, all[len(all)-1-i])
	}
	if r := fmt.Sprint(<-got); r != "[r2 r1 r0]" {
		t.Errorf("acknowledged %s", r)
	}
}

func testCloseWaitsForReplies(t *testing.T) {
	for _, delay := range []time.Duration{time.Second, 5 * time.Second} {
		code := make(chan websocket.StatusCode, 1)
		s := newService(t, accept(func(p *peer) {
			for i := range 3 {
				p.Send(event("e", fmt.Sprint("r", i)))
				p.Acks(1)
				if i > 0 {
					time.Sleep(delay)
				}
				p.Send(fmt.Sprintf(`{"frameType":"ACK_EVENT_REPLY","framePayload":{"receiptId":"r%d"}}`, i))
			}
			code <- p.End()
		}))
		tr := s.client()
		ack(t, tr, must(t, tr))
		ack(t, tr, must(t, tr))
		start := time.Now()
		if err := tr.Close(t.Context()); err != nil {
			t.Error(err)
		}
		took := time.Since(start)
		if want := min(delay, lastReplies); took < want || took > want+wslink.LastHandshake {
			t.Errorf("Close took %v, replies %v", took, delay)
		}
		if delay < lastReplies {
			if st := tr.Stats(); st.Confirmed != 2 {
				t.Errorf("%+v", st)
			}
		}
		time.Sleep(time.Minute)
	}
}

// What comes in while the connection is closed is neither handed out nor
// acknowledged.
func testEventsDuringClose(t *testing.T) {
	acked := make(chan []string, 1)
	s := newService(t, accept(func(p *peer) {
		p.Send(event("e1", "r1"))
		p.Send(`{"frameType":"ACK_EVENT_REPLY","framePayload":{"receiptId":"r0"}}`)
		for i := range 1000 {
			p.Send(event("late", fmt.Sprint("late", i)))
		}
		acked <- p.Acks(100)
	}))
	tr := s.client()
	d := must(t, tr)
	must(t, tr)
	ack(t, tr, d)
	tr.Close(t.Context())
	if got := fmt.Sprint(<-acked); got != "[r1]" {
		t.Errorf("acknowledged %s", got)
	}
}

func TestValidate(t *testing.T) {
	good := []Option{APIKey(canary)}
	for _, url := range []string{"wss://eds.example", "wss://eds.example:8443/subscribe?a=b", "ws://localhost:1", "ws://127.0.0.1", "ws://[::1]:80/"} {
		if err := New(url, "q", good...).Validate(); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	if err := New("ws://eds.example", "q", APIKey(canary), Insecure()).Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		url, queue string
		opts       []Option
		want       []string // settings
	}{
		{"https://eds.example", "q", good, []string{"url"}},
		{"eds.example", "q", good, []string{"url"}},
		{"", "q", good, []string{"url"}},
		{"wss://", "q", good, []string{"url"}},
		{"wss:///path", "q", good, []string{"url"}},
		{"wss://user:" + "CANARY" + "@eds.example", "q", good, []string{"url"}},
		{"wss://eds.example:port", "q", good, []string{"url"}},
		{"ws://user:CANARY@eds.example:x/%zz?k=CANARY", "q", good, []string{"url"}},
		{"ws://eds.example", "q", good, []string{"url"}},
		{"ws://localhost.evil.example", "q", good, []string{"url"}},
		{"wss://eds.example", "", good, []string{"queue"}},
		{"wss://eds.example", " ", good, []string{"queue"}},
		{"wss://eds.example", "\xff", good, []string{"queue"}},
		{"wss://eds.example", "q", nil, []string{"APIKey"}},
		{"wss://eds.example", "q", []Option{APIKey(" \n")}, []string{"APIKey"}},
		{"wss://eds.example", "q", []Option{APIKey("CANARY\nX: y")}, []string{"APIKey"}},
		{"x://", "", []Option{PingInterval(0), PongTimeout(-1), Backoff(0, -1), DialTimeout(0), WriteTimeout(0),
			MaxEventBytes(10), VisibilityTimeout(-1)},
			[]string{"url", "queue", "APIKey", "PingInterval", "PongTimeout", "Backoff min", "DialTimeout",
				"WriteTimeout", "Backoff max", "MaxEventBytes", "VisibilityTimeout"}},
		{"wss://eds.example", "q", []Option{APIKey("k"), HTTPClient(&http.Client{Transport: &linktest.Endless{}}),
			DialContext(func(context.Context, string, string) (net.Conn, error) { return nil, nil })}, []string{"DialContext"}},
	} {
		tr := New(c.url, c.queue, c.opts...)
		err := tr.Validate()
		var got []string
		if all, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range all.Unwrap() {
				ce, ok := errors.AsType[*eds.ConfigError](e)
				if !ok {
					t.Fatalf("%v", e)
				}
				got = append(got, ce.Setting)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%q, %q: %v, want %v", c.url, c.queue, got, c.want)
		}
		if text := fmt.Sprintf("%v %#v", err, err); strings.Contains(text, "CANARY") {
			t.Errorf("%s", text)
		}
		if _, rerr := tr.Receive(t.Context()); rerr == nil || rerr.Error() != err.Error() {
			t.Errorf("Receive = %v", rerr)
		}
	}
	tr := New("wss://eds.example/a%2Fb?x=1&queue=old", "q r", APIKey("  "+canary+"\n"))
	if url, _ := tr.link.Request(""); url != "wss://eds.example/a%2Fb?queue=q+r&x=1" {
		t.Errorf("url = %q", url)
	}
}

// A key from a function is read at each dial; one that cannot be sent is a
// setting to mend.
func TestAPIKeyFunc(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newService(t, closing(1000, ""))
		n := 0
		tr := s.client(APIKeyFunc(func(context.Context) (string, error) {
			if n++; n == 4 {
				return "CANARY\r\nX: y", nil
			}
			return fmt.Sprint(" key", n, "\n"), nil
		}))
		_, err := tr.Receive(t.Context())
		if ce, ok := errors.AsType[*eds.ConfigError](err); !ok || strings.Contains(fmt.Sprintf("%v %#v", err, ce), "CANARY") {
			t.Errorf("Receive = %v", err)
		}
		var keys []string
		for _, r := range s.Asked() {
			keys = append(keys, r.Header.Get("Authorization"))
		}
		if got := fmt.Sprint(keys); got != "[api-key key1 api-key key2 api-key key3]" {
			t.Errorf("keys = %s", got)
		}
	})
}

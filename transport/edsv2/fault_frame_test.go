package edsv2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/linktest"
)

var frameFaults = []fault{
	{"B6", testFragments},
	{"B7", testSizes},
	{"B8", testOversize},
	{"B10", testBinary},
	{"B11", testInvalidUTF8},
	{"B12", func(t *testing.T) {
		skipped(t, func(st Stats) uint64 { return st.Unreadable },
			``, ` `, `{`, `nonsense`, `[]`, `null`, `"text"`, `7`, `{"frameType":"EVENT",}`, `{} {}`, `{"a":tru}`,
			`{"frameType":"EVENT","framePayload":{"eventId":"e","eventType":"t","receiptId":"r"}`,
			`{"frameType":"EVENT","framePayload":{"eventId":"e","eventType":"t","receiptId":"r","eventPayload":{x}}}`,
			"\x00\x01", "{\"a\":\"\x01\"}", `{"a":01}`, `{"a":1.}`, `{"a":"\q"}`, `{"a":"\u12"}`, strings.Repeat("[", 1<<20))
	}},
	{"B13", testNesting},
	{"B14", testDoubleNames},
	{"B15", testIdentities},
	{"B16", func(t *testing.T) {
		skipped(t, func(st Stats) uint64 { return st.UnknownType },
			`{"frameType":"HELLO"}`, `{"frameType":"event","framePayload":{"eventId":"e","eventType":"t","receiptId":"r"}}`,
			`{"frameType":"ACK_EVENT","framePayload":{"receiptId":"r"}}`, `{"frameType":"PING"}`, `{"frameType":""}`)
	}},
	{"B16/C1", func(t *testing.T) {
		skipped(t, func(st Stats) uint64 { return st.Pongs },
			`{"frameType":"PONG"}`, `{"frameType":"PONG","framePayload":null}`, `{"framePayload":{"correlationId":"?"},"frameType":"PONG"}`)
	}},
	{"B17", func(t *testing.T) {
		malformedFrames(t, "queueName",
			strings.Replace(event("e", "r"), `"my-queue"`, `"other"`, 1),
			strings.Replace(event("e", "r"), `"my-queue"`, `7`, 1),
			strings.Replace(event("e", "r"), `"my-queue"`, `"my-queue "`, 1))
	}},
	{"B18", testSameFrameTwice},
}

// testFragments splits an event at each byte, with a ping between the parts.
func testFragments(t *testing.T) {
	text := event("e", "r")
	long := event("e", strings.Repeat("r", 200)) // with a longer header
	s := newService(t, linktest.Raw(func(_ int, c net.Conn) {
		for _, text := range []string{text, long} {
			for cut := range len(text) {
				head, tail := linktest.Frame(text[:cut]), linktest.Frame(text[cut:])
				head[0], tail[0] = 0x01, 0x80
				c.Write(append(append(head, 0x89, 2, 'h', 'i'), tail...))
			}
		}
		linktest.Drain(c)
	}))
	tr := s.client()
	for range len(text) + len(long) {
		if d := must(t, tr); d.Event.ID != "e" || string(d.Event.Payload) != `{"tenantId":"P0001"}` {
			t.Fatalf("%+v", d)
		}
	}
	if s.Count() != 1 {
		t.Errorf("%d connections", s.Count())
	}
}

func testSizes(t *testing.T) {
	const limit = 200_000
	sizes := []int{300, 4095, 4096, 4097, 16 << 10, 32767, 32768, 32769, 65534, 65535, 65536, 65537, 131072,
		limit - 1, limit}
	s := newService(t, accept(func(p *peer) {
		for _, n := range sizes {
			p.Send(exactly(n))
		}
		p.Rest()
	}))
	tr := s.client(MaxEventBytes(limit))
	for _, n := range sizes {
		d := must(t, tr)
		whole := exactly(n)
		if d.Err != nil || d.Event.ID != "e" || !strings.HasSuffix(whole, string(d.Event.Payload)+"}}") || len(d.Event.Payload) < n-300 {
			t.Errorf("%d bytes: %v, payload of %d", n, d.Err, len(d.Event.Payload))
		}
	}
	if s.Count() != 1 {
		t.Errorf("%d connections", s.Count())
	}
}

// exactly returns an event of n bytes.
func exactly(n int) string {
	head := `{"frameType":"EVENT","framePayload":{"eventId":"e","eventType":"t","receiptId":"r-long","eventPayload":"`
	tail := `"}}`
	return head + strings.Repeat("x", n-len(head)-len(tail)) + tail
}

func testOversize(t *testing.T) {
	const limit = 100_000
	late := `{"frameType":"EVENT","framePayload":{"eventPayload":"` + strings.Repeat("x", limit) + `","eventId":"e","receiptId":"r"}}`
	reply := `{"frameType":"ACK_EVENT_REPLY","framePayload":{"receiptId":"r","x":"` + strings.Repeat("x", limit) + `"}}`
	unheard := `{"framePayload":{"receiptId":"r2","eventPayload":"` + strings.Repeat("x", 3*limit) + `"},"frameType":"EVENT"}`
	s := newService(t, accept(func(p *peer) {
		p.Send(exactly(limit + 1))
		p.Send(late)
		p.Send(reply)
		p.Send(unheard)
		p.Send(event("e2", "r2"))
		p.Rest()
	}))
	tr := s.client(MaxEventBytes(limit))
	d := must(t, tr)
	me, ok := errors.AsType[*MalformedError](d.Err)
	if !ok || me.Size != limit+1 || d.Receipt != "r-long" || !eds.IsPermanent(d.Err) || d.Event.ID != "" ||
		len(d.Event.Payload) != keptHead || !strings.HasPrefix(exactly(limit), string(d.Event.Payload)) {
		t.Errorf("%v, receipt %q, %d bytes", d.Err, d.Receipt, len(d.Event.Payload))
	}
	ack(t, tr, d)
	if d := must(t, tr); d.Receipt != "r2" || d.Err == nil {
		t.Errorf("%+v", d)
	}
	if d := must(t, tr); d.Event.ID != "e2" {
		t.Errorf("%+v", d)
	}
	if st := tr.Stats(); st.Oversize != 1 || st.Unusable != 1 || s.Count() != 1 {
		t.Errorf("%+v, %d connections", st, s.Count())
	}
}

func testBinary(t *testing.T) {
	s := newService(t, accept(func(p *peer) {
		bg := context.Background()
		p.WS.Write(bg, websocket.MessageBinary, []byte{0, 1, 2, 0xff})
		p.WS.Write(bg, websocket.MessageBinary, nil)
		p.WS.Write(bg, websocket.MessageBinary, []byte(event("e1", "r1")))
		p.Rest()
	}))
	tr := s.client()
	if d := must(t, tr); d.Event.ID != "e1" {
		t.Errorf("%+v", d)
	}
	if st := tr.Stats(); st.Binary != 2 || s.Count() != 1 {
		t.Errorf("%+v, %d connections", st, s.Count())
	}
}

func testInvalidUTF8(t *testing.T) {
	malformedFrames(t, "UTF-8",
		strings.TrimSuffix(event("e", "r"), "}}")+",\"x\":\"\xff\"}}",
		strings.Replace(event("e", "r"), "P0001", "P\xc3(", 1),
		strings.Replace(event("e", "r"), `"e"`, "\"\xed\xa0\x80\"", 1))
	skipped(t, func(st Stats) uint64 { return st.Unusable },
		`{"frameType":"EVENT","framePayload":{"eventId":"e","eventType":"t","receiptId":"`+"\xff"+`"}}`)
}

func testNesting(t *testing.T) {
	deep := strings.Repeat(`{"a":[`, 100_000) + strings.Repeat(`]}`, 100_000)
	with := func(payload string) string {
		return strings.Replace(event("e", "r"), `{"tenantId":"P0001"}`, payload, 1)
	}
	before := heap()
	malformedFrames(t, "nested", with(deep), with(strings.Repeat("[", 70)+strings.Repeat("]", 70)),
		`{"framePayload":{"x":`+deep+`,"receiptId":"r"},"frameType":"EVENT"}`)
	if grown := heap() - before; grown > 8<<20 {
		t.Errorf("%d bytes more in use", grown)
	}
	skipped(t, func(st Stats) uint64 { return st.Unreadable }, with(strings.Repeat(`{"a":[`, 100_000)),
		with(strings.Repeat("[", 70)+`"`))
	wide := `[` + strings.Repeat(`{},`, 300_000) + `{}]`
	delivers(t, func(d *eds.Delivery) bool { return string(d.Event.Payload) == wide }, with(wide))
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func testDoubleNames(t *testing.T) {
	in := func(more string) string {
		return `{"frameType":"EVENT","framePayload":{"eventId":"e","eventType":"t","receiptId":"r",` + more + `}}`
	}
	malformedFrames(t, "more than once", in(`"eventId":"e2"`), in(`"eventId":"e"`), in(`"eventType":"t"`),
		in(`"\u0065ventId":"e2"`), in(`"eventPayload":1,"eventPayload":2`), in(`"queueName":null,"queueName":null`),
		`{"frameType":"PONG","frameType":"EVENT","framePayload":{"eventId":"e","eventType":"t","receiptId":"r"}}`)
	malformedFrames(t, "case", in(`"EventID":"e2"`), in(`"EVENTPAYLOAD":1`), in(`"eventT\u0073":"", "eventt\u017f":1`),
		`{"frametype":"PONG","frameType":"EVENT","framePayload":{"eventId":"e","eventType":"t","receiptId":"r"}}`)
	malformedFrames(t, "frameType",
		`{"FrameType":"EVENT","framePayload":{"eventId":"e","eventType":"t","receiptId":"r"}}`,
		`{"frameType":null,"framePayload":{"eventId":"e","eventType":"t","receiptId":"r"}}`,
		`{"frameType":["EVENT"],"framePayload":{"eventId":"e","eventType":"t","receiptId":"r"}}`)
	// Of two receipts none can be trusted.
	skipped(t, func(st Stats) uint64 { return st.Unusable }, in(`"receiptId":"r2"`))
	// Unknown names may be there as often as they like.
	delivers(t, func(d *eds.Delivery) bool { return d.Event.ID == "e" }, in(`"x":1,"x":2,"X":3,"frameType":"PONG"`))
}

func testIdentities(t *testing.T) {
	without := func(member, value string) string {
		whole := `{"frameType":"EVENT","framePayload":{"eventId":"e","eventType":"t","receiptId":"r"}}`
		before, rest, _ := strings.Cut(whole, `"`+member+`":`)
		i := strings.IndexAny(rest, ",}")
		if value == "" {
			return strings.Replace(before+`"x":1`+rest[i:], `,}`, `}`, 1)
		}
		return before + `"` + member + `":` + value + rest[i:]
	}
	bad := []string{"", "null", `""`, "7", "true", "{}", `["e"]`, `"\ud800"`, `"\udc00\ud800"`}
	for _, value := range append(bad, `"`+strings.Repeat("x", 257)+`"`, `"`+strings.Repeat("x", 1<<20)+`"`) {
		malformedFrames(t, "eventId", without("eventId", value))
		malformedFrames(t, "eventType", without("eventType", value))
	}
	malformedFrames(t, "framePayload",
		`{"frameType":"EVENT","framePayload":{"receiptId":"r"},"framePayload":null}`)
	for _, value := range append(bad, `"`+strings.Repeat("x", 1<<20)+`"`) {
		// It is an event, which cannot be acknowledged.
		delivers(t, func(d *eds.Delivery) bool { return d.Event.ID == "e" && d.Receipt == "" && d.Err == nil },
			without("receiptId", value))
	}
	skipped(t, func(st Stats) uint64 { return st.Unusable },
		`{"frameType":"EVENT"}`, `{"frameType":"EVENT","framePayload":null}`, `{"frameType":"EVENT","framePayload":[]}`,
		`{"frameType":"EVENT","framePayload":"x"}`, `{"frameType":"EVENT","framePayload":{}}`,
		`{}`, `{"frameType":7}`, `{"frameType":null}`)
	longest := strings.Repeat("é", 128)
	delivers(t, func(d *eds.Delivery) bool { return d.Event.ID == longest }, without("eventId", `"`+longest+`"`))
	delivers(t, func(d *eds.Delivery) bool { return d.Event.ID == "a\"\\/\b\f\n\r\té😀" && d.Receipt == "\x00<é>" },
		`{"framePayload":{"receiptId":"\u0000\u003c\u00e9>","eventType":"\u0074","\u0065ventId":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}, "frameType":"E\u0056ENT"}`)
	for _, c := range []struct{ ts, want string }{
		{`"2026-03-20T14:30:00+02:00"`, "2026-03-20T12:30:00Z"},
		{`"2026-03-20T14:30:00.123456789Z"`, "2026-03-20T14:30:00.123456789Z"},
		{`"2026-03-20 14:30:00"`, ""}, {`"yesterday"`, ""}, {`7`, ""}, {`null`, ""}, {`""`, ""}, {`{}`, ""}, {`"2026-03-20T24:30:00Z"`, ""},
	} {
		delivers(t, func(d *eds.Delivery) bool {
			at := d.Event.Time
			return c.want == "" && at.IsZero() || !at.IsZero() && at.UTC().Format(time.RFC3339Nano) == c.want
		}, strings.Replace(event("e", "r"), `"2026-03-20T14:30:00.000Z"`, c.ts, 1))
	}
	for _, payload := range []string{`null`, `7`, `12345678901234567890123`, `1e400`, `"a \"text\" é"`, `[ 1 , 2 ]`, `{}`, `true`, `{"a":{"a":1,"a":2}}`} {
		delivers(t, func(d *eds.Delivery) bool { return string(d.Event.Payload) == payload && d.Err == nil },
			strings.Replace(event("e", "r"), `{"tenantId":"P0001"}`, payload, 1))
	}
	delivers(t, func(d *eds.Delivery) bool { return d.Event.Payload == nil },
		`{"frameType":"EVENT","framePayload":{"eventId":"e","eventType":"t","receiptId":"r"}}`)
}

func testSameFrameTwice(t *testing.T) {
	acked := make(chan []string, 1)
	s := newService(t, accept(func(p *peer) {
		p.Send(event("e1", "r1"))
		p.Send(event("e1", "r1"))
		p.Send(event("e2", "r2"))
		acked <- p.Acks(2)
		p.Rest()
	}))
	tr := s.client()
	for range 2 {
		d := must(t, tr)
		if d.Event.ID != "e1" {
			t.Errorf("%+v", d)
		}
		ack(t, tr, d)
		ack(t, tr, d)
	}
	ack(t, tr, must(t, tr))
	if got := fmt.Sprint(<-acked); got != "[r1 r2]" {
		t.Errorf("acknowledged %v: a receipt twice", got)
	}
}

// play sends frames and then an event that must come through on the same
// connection.
func play(t *testing.T, frames ...string) (*service, *Transport) {
	t.Helper()
	s := newService(t, accept(func(p *peer) {
		for _, f := range frames {
			p.Send(f)
		}
		p.Send(event("last", "r-last"))
		p.Rest()
	}))
	return s, s.client()
}

// skipped has every frame counted once and passed over.
func skipped(t *testing.T, count func(Stats) uint64, frames ...string) {
	t.Helper()
	s, tr := play(t, frames...)
	defer tr.Close(t.Context())
	if d := must(t, tr); d.Event.ID != "last" || d.Err != nil || s.Count() != 1 {
		t.Errorf("%+v after %d connections", d, s.Count())
	}
	if n := count(tr.Stats()); n != uint64(len(frames)) {
		t.Errorf("%d counted, want %d: %+v", n, len(frames), tr.Stats())
	}
}

// malformedFrames have a receipt: they are delivered with an error.
func malformedFrames(t *testing.T, reason string, frames ...string) {
	t.Helper()
	s, tr := play(t, frames...)
	defer tr.Close(t.Context())
	for _, f := range frames {
		d := must(t, tr)
		me, ok := errors.AsType[*MalformedError](d.Err)
		if !ok || !strings.Contains(me.Reason, reason) || !eds.IsPermanent(d.Err) || d.Receipt != "r" ||
			d.Event.ID != "" || d.Event.Type != "" || d.Event.Queue != "my-queue" || !bytes.Equal(d.Event.Payload, []byte(f)) {
			t.Errorf("%.200s: err %v, receipt %q, id %q", f, d.Err, d.Receipt, d.Event.ID)
		}
	}
	if d := must(t, tr); d.Event.ID != "last" || s.Count() != 1 {
		t.Errorf("%+v after %d connections", d, s.Count())
	}
	if tr.Status().Skipped != 0 {
		t.Errorf("%+v", tr.Stats())
	}
}

func delivers(t *testing.T, good func(d *eds.Delivery) bool, frame string) {
	t.Helper()
	s, tr := play(t, frame)
	defer tr.Close(t.Context())
	if d := must(t, tr); !good(d) {
		t.Errorf("%.300s: %+v", frame, d)
	}
	if d := must(t, tr); d.Event.ID != "last" || s.Count() != 1 {
		t.Errorf("%.300s: %+v", frame, d)
	}
}

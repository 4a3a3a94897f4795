package pulsarws

// fake time: TestFault runs each fault in a bubble

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/linktest"
)

var messageFaults = []fault{
	{"B6", testFragments},
	{"B7", testSizes},
	{"B7/default", testLargestMessage},
	{"B8", testOversize},
	{"B10", testBinary},
	{"B11", testInvalidUTF8},
	{"B12", testNotJSON},
	{"B13", testNesting},
	{"B14", testDoubleNames},
	{"B15", testIdentities},
	{"B16", testUnknownMembers},
	{"B18", testSameMessageTwice},
	{"B36", testControlMessages},
	{"B44", testPayloads},
	{"B44/times", testTimes},
	{"B44/properties", testProperties},
	{"B44/flood", testWindowOfUnanswerable},
}

const (
	id1  = "CAcQATAA" // what a Pulsar makes of ledger 7, entry 1
	last = "CAcQYzAA" // and of entry 99
)

// with makes an envelope of members, with the id of each good one.
func with(members string) string { return `{"messageId":"` + id1 + `",` + members + `}` }

// play sends frames and then a message that must come through on the same
// connection. The channel tells what the client said to all of it.
func play(t *testing.T, connect maker, frames ...string) (*service, client, <-chan []string) {
	t.Helper()
	said := make(chan []string, 1)
	s := newService(t, accept(func(p *peer) {
		for _, f := range frames {
			p.Send(f)
		}
		p.Send(envelopeOf(last, "last"))
		heard := p.Rest()
		if p.N == 1 {
			said <- heard
		}
	}))
	return s, connect(s), said
}

// finish receives the last message and returns what the client said.
func finish(t *testing.T, s *service, c client, said <-chan []string) []string {
	t.Helper()
	d := must(t, c)
	if d.Receipt != last || d.Err != nil || s.Count() != 1 {
		t.Errorf("%+v after %d connections", d, s.Count())
	}
	ackIt(t, c, d)
	c.Close(t.Context())
	return <-said
}

// credits are what a Reader says to n messages that have no id; a Consumer says
// nothing.
func credits(c client, n uint64) []string {
	if _, ok := c.(*Consumer); ok {
		return nil
	}
	return slices.Repeat([]string{ackOf("earliest")}, int(n))
}

// skipped has every frame counted once and passed over, and never answered but
// for the credit of a Reader.
func skipped(t *testing.T, connect maker, count func(Stats) uint64, frames ...string) {
	t.Helper()
	s, c, said := play(t, connect, frames...)
	got := finish(t, s, c, said)
	if want := append(credits(c, c.Stats().Unreadable), ackOf(last)); !slices.Equal(got, want) {
		t.Errorf("answers: %q", got)
	}
	if n := count(c.Stats()); n != uint64(len(frames)) || c.Status().Skipped != n {
		t.Errorf("%d counted, want %d: %+v", n, len(frames), c.Stats())
	}
}

// malformed frames have an id: they are delivered with an error, and answered
// once.
func malformed(t *testing.T, connect maker, reason string, frames ...string) {
	t.Helper()
	s, c, said := play(t, connect, frames...)
	var want []string
	var all []*eds.Delivery // settled at the end: a Reader takes what it has settled for known
	for _, f := range frames {
		d := must(t, c)
		me, ok := errors.AsType[*MalformedError](d.Err)
		if !ok || !strings.Contains(me.Reason, reason) || !eds.IsPermanent(d.Err) || d.Receipt != id1 || me.Size != int64(len(f)) ||
			d.Event.ID != "" || d.Event.Type != "" || d.Event.Queue != aTopic || !bytes.Equal(d.Event.Payload, []byte(f)) {
			t.Errorf("%.200s: err %v, receipt %q, id %q", f, d.Err, d.Receipt, d.Event.ID)
		}
		all, want = append(all, d), append(want, ackOf(id1))
	}
	for _, d := range all {
		ackIt(t, c, d)
		ackIt(t, c, d)
	}
	if got := finish(t, s, c, said); !slices.Equal(got, append(want, ackOf(last))) {
		t.Errorf("answers: %q", got)
	}
	if st := c.Stats(); st.Malformed != uint64(len(frames)) || c.Status().Skipped != 0 {
		t.Errorf("%+v", st)
	}
}

// nameless frames have no id: they are delivered with an error, and never
// answered but for the credit of a Reader, for which the first one is handed
// out again when it was given back.
func nameless(t *testing.T, connect maker, frames ...string) {
	t.Helper()
	s, c, said := play(t, connect, frames...)
	check := func(d *eds.Delivery, f string) {
		t.Helper()
		me, ok := errors.AsType[*MalformedError](d.Err)
		if !ok || !eds.IsPermanent(d.Err) || d.Receipt != "" || me.Size != int64(len(f)) ||
			d.Event.ID != "" || d.Event.Queue != aTopic || !bytes.Equal(d.Event.Payload, []byte(f)) {
			t.Errorf("%.200s: err %v, receipt %q, id %q", f, d.Err, d.Receipt, d.Event.ID)
		}
	}
	var given *eds.Delivery
	for i, f := range frames {
		d := must(t, c)
		check(d, f)
		if i == 0 {
			given = d
			continue
		}
		ackIt(t, c, d)
		nackIt(t, c, d)
	}
	d := must(t, c)
	if d.Receipt != last || s.Count() != 1 {
		t.Errorf("%+v after %d connections", d, s.Count())
	}
	ackIt(t, c, d)
	nackIt(t, c, given)
	if r, ok := c.(*Reader); ok {
		d := must(t, c)
		check(d, frames[0])
		ackIt(t, c, d)
		if p := r.mark.Position(); p != last {
			t.Errorf("position %q", p)
		}
	}
	until(t, c, 20*time.Second)
	c.Close(t.Context())
	if got, want := <-said, append(credits(c, uint64(len(frames))), ackOf(last)); !slices.Equal(got, want) {
		t.Errorf("answers: %q, want %q", got, want)
	}
	if st := c.Stats(); st.Malformed != uint64(len(frames)) || c.Status().Skipped != 0 {
		t.Errorf("%+v", st)
	}
}

func delivers(t *testing.T, connect maker, frame string, good func(d *eds.Delivery) bool) {
	t.Helper()
	s, c, said := play(t, connect, frame)
	d := must(t, c)
	if !good(d) || d.Err != nil {
		t.Errorf("%.300s: %+v", frame, d)
	}
	ackIt(t, c, d)
	finish(t, s, c, said)
}

// testFragments splits a message at each byte, with a ping between the parts.
func testFragments(t *testing.T, connect maker) {
	text := message(1)
	s := newService(t, linktest.Raw(func(_ int, conn net.Conn) {
		for cut := range len(text) {
			head, tail := linktest.Frame(text[:cut]), linktest.Frame(text[cut:])
			head[0], tail[0] = 0x01, 0x80
			conn.Write(append(append(head, 0x89, 2, 'h', 'i'), tail...))
		}
		linktest.Drain(conn)
	}))
	c := connect(s)
	for range len(text) {
		if d := must(t, c); d.Receipt != at(1) || string(d.Event.Payload) != "m1" {
			t.Fatalf("%+v", d)
		}
	}
	if s.Count() != 1 {
		t.Errorf("%d connections", s.Count())
	}
}

// sized is a message of n bytes, and its payload.
func sized(n int) (text, payload string) {
	head, tail := `{"messageId":"`+id1+`","payload":"`, `","properties":{}}`
	room := n - len(head) - len(tail)
	payload = strings.Repeat("x", room/4*3)
	return head + body(payload) + tail + strings.Repeat(" ", room%4), payload
}

func testSizes(t *testing.T, connect maker) {
	const limit = 200_000
	sizes := []int{300, 4095, 4096, 4097, 16 << 10, 32767, 32768, 32769, 65534, 65535, 65536, 65537, 131072, limit - 1, limit}
	s := newService(t, accept(func(p *peer) {
		for _, n := range append(sizes, limit+1) {
			text, _ := sized(n)
			p.Send(text)
		}
		p.Rest()
	}))
	c := connect(s, MaxMessageBytes(limit))
	for _, n := range sizes {
		d := must(t, c)
		if _, want := sized(n); d.Err != nil || string(d.Event.Payload) != want {
			t.Errorf("%d bytes: %v, payload of %d", n, d.Err, len(d.Event.Payload))
		}
	}
	if d := must(t, c); d.Err == nil || d.Receipt != id1 {
		t.Errorf("%d bytes: %v", limit+1, d.Err)
	}
	if s.Count() != 1 {
		t.Errorf("%d connections", s.Count())
	}
}

// testLargestMessage: what Pulsar lets through by default comes through by
// default, in fragments of 64 KiB as Jetty 12 sends it.
func testLargestMessage(t *testing.T, connect maker) {
	text, payload := sized(5<<20*4/3 + 1000)
	s := newService(t, linktest.Raw(func(_ int, conn net.Conn) {
		first := byte(0x01)
		for rest := text; rest != ""; {
			part := rest[:min(len(rest), 64<<10)]
			rest = rest[len(part):]
			f := linktest.Frame(part)
			f[0] = first
			if first = 0x00; rest == "" {
				f[0] |= 0x80
			}
			conn.Write(f)
		}
		linktest.Drain(conn)
	}))
	d := must(t, connect(s))
	if d.Err != nil || string(d.Event.Payload) != payload || len(payload) < 5<<20 {
		t.Errorf("%v, %d bytes of %d", d.Err, len(d.Event.Payload), len(payload))
	}
}

func testOversize(t *testing.T, connect maker) {
	const limit = 100_000
	big := body(strings.Repeat("x", limit))
	text, _ := sized(limit + 1)
	late := `{"payload":"` + big + `","messageId":"` + id1 + `"}`
	control := `{"endOfTopic":false,"messageId":"` + id1 + `","payload":"` + big + `"}`
	said := make(chan []string, 1)
	s := newService(t, accept(func(p *peer) {
		p.Send(text)
		p.Send(late) // its id lies behind what is kept
		p.Send(control)
		p.Send(envelopeOf(last, "last"))
		said <- p.Rest()
	}))
	c := connect(s, MaxMessageBytes(limit))
	d := must(t, c)
	me, ok := errors.AsType[*MalformedError](d.Err)
	if !ok || me.Size != limit+1 || d.Receipt != id1 || !eds.IsPermanent(d.Err) || d.Event.ID != "" ||
		len(d.Event.Payload) != keptHead || !strings.HasPrefix(text, string(d.Event.Payload)) {
		t.Errorf("%v, receipt %q, %d bytes", d.Err, d.Receipt, len(d.Event.Payload))
	}
	ackIt(t, c, d)
	if d := must(t, c); d.Receipt != "" || d.Err == nil || !strings.HasPrefix(late, string(d.Event.Payload)) {
		t.Errorf("%v, receipt %q, %d bytes", d.Err, d.Receipt, len(d.Event.Payload))
	}
	want := []string{ackOf(id1), ackOf(last)}
	if _, ok := c.(*Reader); ok {
		want = []string{ackOf(id1), ackOf(id1), ackOf(last)}
	}
	if got := finish(t, s, c, said); !slices.Equal(got, want) {
		t.Errorf("answers: %q", got)
	}
	if st := c.Stats(); st.Malformed != 2 || st.Control != 1 {
		t.Errorf("%+v", st)
	}
}

// testBinary: 8x8 announces text or binary; what is JSON is taken.
func testBinary(t *testing.T, connect maker) {
	s := newService(t, accept(func(p *peer) {
		bg := context.Background()
		p.WS.Write(bg, websocket.MessageBinary, []byte{0, 1, 2, 0xff})
		p.WS.Write(bg, websocket.MessageBinary, nil)
		p.WS.Write(bg, websocket.MessageBinary, []byte(message(1)))
		p.Rest()
	}))
	c := connect(s)
	if d := must(t, c); d.Receipt != at(1) {
		t.Errorf("%+v", d)
	}
	if st := c.Stats(); st.Unreadable != 2 || s.Count() != 1 {
		t.Errorf("%+v, %d connections", st, s.Count())
	}
}

func testInvalidUTF8(t *testing.T, connect maker) {
	malformed(t, connect, "not text",
		with(`"payload":"","properties":{"ce_id":"`+"\xff"+`"}`),
		with(`"payload":"","properties":{"`+"\xc3("+`":"a"}`),
		with(`"payload":"","key":"`+"\xed\xa0\x80"+`"`),
		with(`"payload":"","properties":{"a":"\ud800"}`),
		with(`"payload":"","properties":{"\udc00":"a"}`),
		with(`"payload":"","key":"\ud800"`))
	malformed(t, connect, "base64", with(`"payload":"`+"\xff\xff\xff\xff"+`"`))
	nameless(t, connect,
		`{"messageId":"`+"\xff"+`","payload":""}`, `{"messageId":"CAcQ`+"\xc3\xa9"+`TAA","payload":""}`)
	// In a member that nobody reads it does no harm.
	delivers(t, connect, with(`"payload":"","x":"`+"\xff"+`","`+"\xff"+`":1`), func(d *eds.Delivery) bool { return d.Event.ID == id1 })
}

func testNotJSON(t *testing.T, connect maker) {
	skipped(t, connect, func(st Stats) uint64 { return st.Unreadable },
		``, ` `, `{`, `nonsense`, `[]`, `[{"messageId":"`+id1+`","payload":""}]`, `null`, `"text"`, `7`, `{} {}`, `{"a":tru}`,
		`{,}`, `{"payload":""`, `{"payload":"","messageId":"`+id1, "\x00\x01", "{\"a\":\"\x01\"}", `{"a":01}`, `{"a":1.}`, `{"a":"\q"}`,
		`{"a":"\u12"}`, `{a:1}`, "\xef\xbb\xbf{}", strings.Repeat("[", 1<<20))
	// What has an id can be settled, and comes again for ever if it is not.
	malformed(t, connect, "JSON",
		with(`"payload":"",`), with(`"payload":"`+"\x01"+`"`), with(`"payload":""`)+`x`, with(`"payload":""`)+`{}`,
		`{"messageId":"`+id1+`"`, `{"messageId":"`+id1+`","payload":{x}}`, with(`"payload":"" "x":1`))
}

func testNesting(t *testing.T, connect maker) {
	deep := strings.Repeat(`{"a":[`, 100_000) + strings.Repeat(`]}`, 100_000)
	before := heap()
	malformed(t, connect, "JSON", with(`"x":`+deep))
	if grown := heap() - before; grown > 8<<20 {
		t.Errorf("%d bytes more in use", grown)
	}
	skipped(t, connect, func(st Stats) uint64 { return st.Unreadable },
		`{"x":`+deep+`,"messageId":"`+id1+`","payload":""}`, strings.Repeat(`{"a":[`, 100_000))
	wide := `[` + strings.Repeat(`{},`, 300_000) + `{}]`
	delivers(t, connect, with(`"payload":"","x":`+wide), func(d *eds.Delivery) bool { return d.Event.ID == id1 })
	malformed(t, connect, "not text", with(`"payload":"","properties":`+wide))
	malformed(t, connect, "no text", with(`"payload":`+wide))
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func testDoubleNames(t *testing.T, connect maker) {
	for _, more := range []string{
		`"payload":"","payload":"aGk="`, `"payload":"aGk=","payload":"aGk="`, `"payload":null,"payload":""`,
		`"payload":"aGk=","p\u0061yload":"aGk="`,
		`"payload":"","properties":{},"properties":{"a":"b"}`, `"payload":"","key":"a","key":"b"`,
		`"payload":"","redeliveryCount":1,"redeliveryCount":2`, `"payload":"","publishTime":"","publishTime":""`,
	} {
		malformed(t, connect, "more than once", with(more))
	}
	// Of two ids none can be trusted.
	nameless(t, connect,
		with(`"payload":"","messageId":"CAcQAjAA"`), with(`"payload":"","messageId":"`+id1+`"`), with(`"payload":"","m\u0065ssageId":"CAcQAjAA"`),
		with(`"payload":"","messageId":null`), `{"payload":"","messageId":null,"messageId":"`+id1+`"}`,
		with(`"payload":"","messageId":"CAcQAjAA","messageId":"`+id1+`"`))
	// Names that are not known may be there as often as they like, and so may
	// properties, of which the last counts.
	delivers(t, connect, with(`"payload":"","x":1,"x":2`), func(d *eds.Delivery) bool { return d.Event.ID == id1 })
	delivers(t, connect, with(`"payload":"","properties":{"a":"1","a":"2"}`), func(d *eds.Delivery) bool { return d.Event.Attributes["a"] == "2" })
	// Names are case-sensitive, as they are for the service.
	delivers(t, connect, with(`"payload":"aGk=","Payload":"","MESSAGEID":"x","TYPE":"x","EndOfTopic":true`),
		func(d *eds.Delivery) bool { return d.Event.ID == id1 && string(d.Event.Payload) == "hi" })
	malformed(t, connect, "payload is missing", with(`"Payload":"aGk="`))
	nameless(t, connect, `{"MessageId":"`+id1+`","payload":""}`)
}

func testIdentities(t *testing.T, connect maker) {
	bad := []string{`null`, `""`, `7`, `true`, `{}`, `["CAcQATAA"]`, `"no base64"`, `"CAcQATA"`, `"CAcQAT="`, `"CAcQ_-AA"`, `"CAcQATAA\n"`, `" CAcQATAA"`, `"CAcQ\u0000TAA"`, `"=CAc"`,
		`"` + strings.Repeat("AAAA", maxID/4+1) + `"`, `"` + strings.Repeat("AAAA", 1<<18) + `"`}
	frames := []string{`{"payload":"aGk="}`, `{"payload":null}`, `{"messageId":null}`, `{"messageId":""}`, `{"messageId":7}`}
	for _, value := range bad {
		frames = append(frames, `{"messageId":`+value+`,"payload":"aGk="}`)
	}
	nameless(t, connect, frames...)

	for _, id := range []string{"AAAA", "CAcQATAA", "+/+/", "CAcQAQ==", "CAcQAjA=", strings.Repeat("AAAA", maxID/4)} {
		s, c, said := play(t, connect, `{"messageId":"`+id+`","payload":"aGk="}`)
		d := must(t, c)
		if d.Receipt != id || d.Event.ID != id {
			t.Errorf("%.40s: %+v", id, d)
		}
		ackIt(t, c, d)
		if got := finish(t, s, c, said); !slices.Equal(got, []string{ackOf(id), ackOf(last)}) {
			t.Errorf("%.40s echoed as %.200q", id, got)
		}
	}
	// Escapes are one way to write the same text.
	delivers(t, connect, `{"m\u0065ssageId":"CAcQ\u0041TAA","payl\u006fad":"aG\u006b\u003d"}`,
		func(d *eds.Delivery) bool { return d.Receipt == id1 && string(d.Event.Payload) == "hi" })
}

func testUnknownMembers(t *testing.T, connect maker) {
	delivers(t, connect, with(`"payload":"aGk=","topic":"x","schemaVersion":[1,{"a":null}],"isEndOfTopic":"no","":{}`),
		func(d *eds.Delivery) bool { return d.Event.ID == id1 && string(d.Event.Payload) == "hi" })
	delivers(t, connect, `  { "payload" : "aGk=" , "messageId" : "`+id1+`" }  `,
		func(d *eds.Delivery) bool { return d.Event.ID == id1 && string(d.Event.Payload) == "hi" })
	huge := strings.Repeat("v", 1<<20)
	delivers(t, connect, with(`"payload":"aGk=","properties":{"k":"`+huge+`"}`),
		func(d *eds.Delivery) bool { return d.Event.Attributes["k"] == huge })
	many := `{"k0":"v"`
	for i := range 20_000 {
		many += fmt.Sprintf(`,"k%d":"v"`, i)
	}
	delivers(t, connect, with(`"payload":"aGk=","properties":`+many+`}`),
		func(d *eds.Delivery) bool { return len(d.Event.Attributes) == 20_000 })
}

// testSameMessageTwice: each delivery counts in the window, so each is
// answered, and none twice.
func testSameMessageTwice(t *testing.T, connect maker) {
	s, c, said := play(t, connect, message(1), message(1), message(2))
	var all []*eds.Delivery
	for range 3 {
		all = append(all, must(t, c))
	}
	if all[0].Receipt != all[1].Receipt || all[0].Tag == all[1].Tag || all[2].Receipt != at(2) {
		t.Errorf("%+v", all)
	}
	for range 3 {
		for _, d := range all {
			ackIt(t, c, d)
			nackIt(t, c, d)
		}
	}
	if got := finish(t, s, c, said); !slices.Equal(got, []string{ackOf(at(1)), ackOf(at(1)), ackOf(at(2)), ackOf(last)}) {
		t.Errorf("answers: %q", got)
	}
}

// testControlMessages: they are no messages of the topic, whatever is in them.
func testControlMessages(t *testing.T, connect maker) {
	skipped(t, connect, func(st Stats) uint64 { return st.Control },
		`{"endOfTopic":true}`, `{"endOfTopic":false}`, `{"endOfTopic":"true"}`, `{"endOfTopic":"false"}`,
		`{"type":"isEndOfTopic"}`, `{"type":"isEndOfTopic","endOfTopic":"true"}`, `{"type":7}`, `{"type":{}}`,
		with(`"endOfTopic":true`), with(`"endOfTopic":"false","payload":"aGk="`), with(`"type":"isEndOfTopic"`),
		with(`"type":"isEndOfTopic","payload":"aGk="`), with(`"payload":"aGk=","type":"x"`), with(`"type":"x","type":null`),
		`{"type":"x","messageId":"`+id1+`","messageId":"`+id1+`"}`,
		`{}`, `{"isEndOfTopic":true}`, `{"isEndOfTopic":"true"}`, `{"result":"ok"}`, `{"properties":{}}`)
	// No type is no control message.
	delivers(t, connect, with(`"type":"","payload":""`), func(d *eds.Delivery) bool { return d.Event.ID == id1 })
	delivers(t, connect, with(`"type":null,"endOfTopic":null,"payload":""`), func(d *eds.Delivery) bool { return d.Event.ID == id1 })
}

func testPayloads(t *testing.T, connect maker) {
	malformed(t, connect, "payload is missing or null", with(`"payload":null`), with(`"properties":{}`), `{"messageId":"`+id1+`"}`)
	malformed(t, connect, "payload is no text", with(`"payload":7`), with(`"payload":{}`), with(`"payload":["aGk="]`), with(`"payload":true`))
	for _, bad := range []string{
		"aGk", "aGk==", "aG", "a", "=", "====", "aGk=aGk=", "aGk=\\n", "aG\\r\\nk=", " aGk=", "aGk= ", "aG-_", "aGl=", "aGkA!", "äGk=", "aGk=\\u0000",
	} {
		malformed(t, connect, "base64", with(`"payload":"`+bad+`"`))
	}
	for encoded, want := range map[string]string{
		"": "", "AA==": "\x00", "/+A=": "\xff\xe0", `\/+A=`: "\xff\xe0", `aG\u006b=`: "hi", body(`{"a":"é"}`): `{"a":"é"}`,
	} {
		delivers(t, connect, with(`"payload":"`+encoded+`"`), func(d *eds.Delivery) bool { return string(d.Event.Payload) == want })
	}
	// What the service could not decrypt comes as it is, with its description.
	var got Message
	s := newService(t, sound(with(`"payload":"aGk=","encryptionContext":{"keys":{"k":{"keyValue":"eA=="}},"batchSize":null}`)))
	c := connect(s, Map(func(m *Message, e *eds.Event) error {
		got = *m
		return MapProperties(m, e)
	}))
	if d := must(t, c); string(d.Event.Payload) != "hi" || string(got.Encryption) != `{"keys":{"k":{"keyValue":"eA=="}},"batchSize":null}` {
		t.Errorf("%+v, %+v", d, got)
	}
}

func testTimes(t *testing.T, connect maker) {
	for _, c := range []struct{ published, want string }{
		{`"2026-03-20T14:30:00Z"`, "2026-03-20T14:30:00Z"},
		{`"2026-03-20T14:30:00.12+02:00"`, "2026-03-20T12:30:00.12Z"},
		{`"2025-10-15T16:01:38.967-07:00"`, "2025-10-15T23:01:38.967Z"},
		{`"2026-03-20T14:30:00.123456789Z"`, "2026-03-20T14:30:00.123456789Z"},
		{`"2016-08-30 16:45:57.785"`, "2016-08-30T16:45:57.785Z"}, // of an old version, in no zone
		{`"2016-08-30 16:45:57"`, "2016-08-30T16:45:57Z"},
		{`"yesterday"`, ""}, {`7`, ""}, {`null`, ""}, {`""`, ""}, {`{}`, ""}, {`"2026-03-20T24:30:00Z"`, ""}, {`"2016-08-30"`, ""},
	} {
		is := func(d *eds.Delivery) bool {
			at := d.Event.Time
			return c.want == "" && at.IsZero() || !at.IsZero() && at.UTC().Format(time.RFC3339Nano) == c.want
		}
		delivers(t, connect, with(`"payload":"","publishTime":`+c.published), is)
		if c.want != "" {
			delivers(t, connect, with(`"payload":"","publishTime":"2026-01-01T00:00:00Z","eventTime":`+c.published), is)
		}
	}
	delivers(t, connect, with(`"payload":"","publishTime":"2026-01-01T00:00:00Z","eventTime":"soon"`),
		func(d *eds.Delivery) bool { return d.Event.Time.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) })
}

func testProperties(t *testing.T, connect maker) {
	var got Message
	for members, want := range map[string]map[string]string{
		`"properties":{}`:                             nil,
		`"properties":null`:                           nil,
		`"x":1`:                                       nil,
		`"properties":{"a":"b","c":""}`:               {"a": "b", "c": ""},
		`"properties":{"a":null}`:                     nil,
		`"properties":{"a":7,"b":true,"c":[ ]}`:       {"a": "7", "b": "true", "c": "[ ]"},
		`"properties":{"\u0061":"\"\\é\ud83d\ude00"}`: {"a": "\"\\é😀"},
	} {
		s := newService(t, sound(with(`"payload":"",`+members)))
		c := connect(s, Map(func(m *Message, e *eds.Event) error { got = *m; e.Type = "t"; return nil }))
		d := must(t, c)
		if fmt.Sprint(d.Event.Attributes) != fmt.Sprint(want) || fmt.Sprint(got.Properties) != fmt.Sprint(want) || d.Err != nil {
			t.Errorf("%s: %+v", members, d)
		}
		c.Close(t.Context())
	}
	malformed(t, connect, "not text", with(`"payload":"","properties":[]`), with(`"payload":"","properties":"a"`), with(`"payload":"","properties":7`),
		with(`"payload":"","key":7`), with(`"payload":"","key":{}`))
	// The count is what it can be.
	for count, want := range map[string]int{
		"0": 0, "3": 3, "-1": 0, "1.5": 0, `"3"`: 0, "null": 0, "2147483647": 2147483647, "9223372036854775807": 0, "99999999999999999999": 0, "1e3": 0, "{}": 0,
	} {
		s := newService(t, sound(with(`"payload":"","key":"k","redeliveryCount":`+count)))
		c := connect(s, Map(func(m *Message, e *eds.Event) error { got = *m; e.Type = "t"; return nil }))
		if d := must(t, c); got.RedeliveryCount != want || got.Key != "k" || d.Event.Attempt < 0 {
			t.Errorf("%s: %+v, attempt %d", count, got, d.Event.Attempt)
		}
		c.Close(t.Context())
	}
}

// testWindowOfUnanswerable: what cannot be answered holds a place in a
// Consumer's window for ever; before the window is full of it, a new connection
// is made, and somebody is told. A Reader goes on.
func testWindowOfUnanswerable(t *testing.T, connect maker) {
	for _, window := range []int{1, 2, 16} {
		for _, bad := range []string{`{"payload":"aGk="}`, `nonsense`, `{"messageId":7,"payload":""}`} {
			s := newService(t, accept(func(p *peer) {
				if p.N > 1 {
					p.Send(message(1))
					p.Rest()
					return
				}
				for range window { // and no more, unless they are answered
					p.Send(bad)
				}
				for range window {
					if p.Get() == "" {
						return
					}
				}
				p.Send(message(1))
				p.Rest()
			}))
			log := &linktest.Journal{}
			c := connect(s, ReceiverQueueSize(window), Logger(log.Logger()))
			connections := 2
			if _, ok := c.(*Reader); ok {
				connections = 1
			}
			d := must(t, c)
			for ; d.Receipt == ""; d = must(t, c) {
				ackIt(t, c, d)
			}
			if d.Receipt != at(1) || s.Count() != connections {
				t.Errorf("window %d, %s: %+v after %d connections", window, bad, d, s.Count())
			}
			told := strings.Contains(log.String(), "ERROR") && strings.Contains(log.String(), "fill the window")
			if err := c.Status().Err; (err != nil) != (connections == 2) || told != (connections == 2) {
				t.Errorf("err = %v, log:\n%s", err, log)
			}
			c.Close(t.Context())
		}
	}
}

// A credit for what was settled long ago does not show that a connection is of
// use: the pauses go on growing.
func TestSettledMessagesProveNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newService(t, accept(func(p *peer) {
			p.Send(message(1))
			p.Send(message(2))
			p.Get() // the credit for the second
		}))
		r := s.reader()
		d := must(t, r)
		ackIt(t, r, must(t, r)) // message 2, which comes again for as long as 1 is not settled
		for range 40 {
			again := must(t, r)
			if again.Receipt != d.Receipt {
				t.Fatalf("%+v", again)
			}
		}
		if took := time.Since(d.Received); took < 5*time.Minute {
			t.Errorf("40 connections of no use in %v", took)
		}
	})
}

// TestIDsAreMadeAsPulsarDoes ties the ids of these tests to those that a real
// Pulsar was seen to send.
func TestIDsAreMadeAsPulsarDoes(t *testing.T) {
	for id, want := range map[string]string{mid(14, 0): "CA4QADAA", mid(14, 310): "CA4QtgIwAA==", at(1): id1, at(99): last} {
		if id != want {
			t.Errorf("%s, want %s", id, want)
		}
		if _, err := base64.StdEncoding.DecodeString(id); err != nil {
			t.Error(err)
		}
	}
}

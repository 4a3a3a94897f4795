package pulsarws

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/wsconn"
	"github.com/eventdelivery/eds-go/internal/wslink"
)

// FuzzEnvelope compares the scanner with encoding/json: what it accepts is
// JSON with the same values. Whatever comes, a message whose id could be sent
// back becomes a delivery, unless it is a control message.
func FuzzEnvelope(f *testing.F) {
	for _, s := range []string{
		message(1), with(`"payload":"aGk=","properties":{"a":"b","é":"\u00e9\ud83d\ude00"},"eventTime":"2026-03-01T09:59:59Z","key":"user-1"`),
		`{}`, `[]`, `null`, `{"endOfTopic":true}`, `{"type":"isEndOfTopic"}`, with(`"payload":null`), with(`"payload":"a"`), with(`"payload":"","payload":""`),
		`{"payload":"","messageId":"x"}`, with(`"properties":{"a":1,"b":null,"c":[{}]},"payload":""`), with(`"payload":"","key":"\ud800"`),
		with(`"payload":"` + "\xff" + `"`), ` { "messageId" : "AAAA" , "payload" : "" } x`, with(`"encryptionContext":{"a":[]},"payload":""`),
		`{"m\u0065ssageId":"AAAA","payload":""}`, with(`"redeliveryCount":3,"payload":""`), with(`"redeliveryCount":1e9,"payload":""`),
		strings.Repeat(`{"a":[`, 40) + strings.Repeat(`]}`, 40),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		original := bytes.Clone(data)
		var e envelope
		err := e.scan(data)
		object := json.Valid(data) && bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{"))
		if (err == nil) != object && bytes.Count(data, []byte("{"))+bytes.Count(data, []byte("[")) < 9000 {
			t.Fatalf("scan = %v, valid object = %v", err, object)
		}
		body, bodyErr := e.body()
		if !bytes.Equal(data, original) {
			t.Fatal("the message was changed")
		}
		if e.id != "" && !validID(e.id) {
			t.Fatalf("id %q", e.id)
		}
		if err != nil {
			return
		}
		members, twice := membersOf(t, data)
		if e.id == "" {
			var id string
			if json.Unmarshal(members["messageId"], &id) == nil && validID(id) && !slices.Contains(twice, "messageId") && utf8.Valid(members["messageId"]) {
				t.Fatalf("id %q was not found", id)
			}
		}
		if bodyErr == nil && e.isMessage() {
			var want struct {
				ID      string `json:"messageId"`
				Payload *[]byte
			}
			if err := json.Unmarshal(members["payload"], &want.Payload); err != nil || want.Payload == nil || !bytes.Equal(*want.Payload, body) {
				t.Fatalf("payload %q, want %q, %v", body, want.Payload, err)
			}
			if e.id != "" {
				var id string
				if json.Unmarshal(members["messageId"], &id); id != e.id {
					t.Fatalf("id %q, want %q", e.id, id)
				}
			}
			sameProperties(t, members["properties"], e.properties)
			if r := e.redelivery; r < 0 || r+1 < 0 {
				t.Fatalf("redelivery %d", r)
			}
		}
		control := e.control
		if control && members["type"] == nil && members["endOfTopic"] == nil {
			t.Fatal("a message was taken for a control message")
		}
		// What goes back is what came.
		if e.id != "" {
			var command struct{ MessageID string }
			if err := json.Unmarshal([]byte(ackOf(e.id)), &command); err != nil || command.MessageID != e.id {
				t.Fatalf("%q: %v", e.id, err)
			}
		}
	})
}

// membersOf returns the raw members of an object, the last of each name, and
// the names that are there more than once.
func membersOf(t *testing.T, data []byte) (members map[string]json.RawMessage, twice []string) {
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	members = map[string]json.RawMessage{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		key := name.(string)
		if _, ok := members[key]; ok {
			twice = append(twice, key)
		}
		members[key] = v
	}
	return members, twice
}

// sameProperties compares them with what encoding/json makes of them, where
// that tells texts apart.
func sameProperties(t *testing.T, raw json.RawMessage, got map[string]string) {
	t.Helper()
	var want map[string]any
	if raw == nil || json.Unmarshal(raw, &want) != nil {
		if len(got) != 0 {
			t.Fatalf("properties %q of %q", got, raw)
		}
		return
	}
	for name, v := range want {
		s, isText := v.(string)
		value, there := got[name]
		if isText && value != s || v == nil && there && !bytes.Contains(raw, []byte("null")) {
			t.Fatalf("property %q is %q, want %q", name, value, s)
		}
	}
	for name, value := range got {
		if !utf8.ValidString(name) || !utf8.ValidString(value) && !bytes.ContainsAny(raw, "[{") {
			t.Fatalf("property %q: %q", name, value)
		}
	}
}

// FuzzDelivery runs what comes in through all that is done with it: one message
// becomes one delivery or one count, never both and never neither.
func FuzzDelivery(f *testing.F) {
	f.Add([]byte(message(1)), int64(0))
	f.Add([]byte(message(1)), int64(5))
	f.Add([]byte(`{"type":"x","messageId":"AAAA"}`), int64(0))
	f.Add([]byte(`{"payload":"","messageId":null}`), int64(1))
	f.Add([]byte(`nonsense`), int64(0))
	c := NewConsumer("wss://pulsar.example", aTopic, aSub, Logger(quietly))
	f.Fuzz(func(t *testing.T, data []byte, cut int64) {
		s := sessionOf(data, max(cut, 0))
		before, malformedBefore := c.Status().Skipped, c.Stats().Malformed
		d := c.open(s)
		skipped := c.Status().Skipped - before
		if (d == nil) != (skipped == 1) || skipped > 1 {
			t.Fatalf("delivery %+v, skipped %d", d, skipped)
		}
		var e envelope
		err := e.scan(data)
		if (d != nil) != (!e.control && (cut > 0 || e.id != "" || err == nil && e.isMessage())) {
			t.Fatalf("delivery %+v of the id %q, control %v", d, e.id, e.control)
		}
		if d == nil {
			return
		}
		if d.Receipt != e.id || d.Tag != d || d.Event.Queue != aTopic || d.Event.Source == "" {
			t.Fatalf("%+v", d)
		}
		if bad := d.Err != nil; bad != (c.Stats().Malformed == malformedBefore+1) || bad && !eds.IsPermanent(d.Err) ||
			!bad && (d.Event.ID == "" || d.Event.Type == "" || cut > 0) {
			t.Fatalf("%+v", d)
		}
	})
}

// FuzzBody: what is decoded is the one text that encodes it.
func FuzzBody(f *testing.F) {
	for _, s := range []string{"", "aGk=", "aGk", "aGl=", "aG-_", "aGk=\n", "====", "/+A=", "a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		text, err := json.Marshal(payload)
		if err != nil || !utf8.ValidString(payload) {
			return
		}
		var e envelope
		if err := e.scan([]byte(`{"messageId":"` + id1 + `","payload":` + string(text) + `}`)); err != nil {
			t.Fatal(err)
		}
		got, err := e.body()
		want, wantErr := base64.StdEncoding.Strict().DecodeString(payload)
		if strings.ContainsAny(payload, "\r\n") {
			wantErr = base64.CorruptInputError(0)
		}
		if (err == nil) != (wantErr == nil) || err == nil && (!bytes.Equal(got, want) || base64.StdEncoding.EncodeToString(got) != payload) {
			t.Fatalf("%q: %q, %v; want %q, %v", payload, got, err, want, wantErr)
		}
	})
}

// FuzzMessageID: ids are read without harm, and what lies before a place is a
// place from which one comes to it.
func FuzzMessageID(f *testing.F) {
	for _, s := range []string{id1, last, "CEMQACABMAU=", "CAwQABgAIAAwAQ==", "earliest", "AAAA", "CAEQAioCAQIwAw==", "", "CP///////////wEQ////////////AQ=="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		p := placeOf(id)
		if p.known && (p.ledger < 0 || p.entry < 0) {
			t.Fatalf("%+v", p)
		}
		if !p.known {
			return
		}
		if p.step(p) != back {
			t.Fatalf("%+v to itself: %d", p, p.step(p))
		}
		b := p.before()
		if !validID(b) {
			t.Fatalf("before %+v: %q", p, b)
		}
		before := placeOf(b)
		if before.ledger != p.ledger || before.partition != p.partition {
			t.Fatalf("before %+v: %+v", p, before)
		}
		if before.known && before.step(p) != onward {
			t.Fatalf("%+v to %+v: %d", before, p, before.step(p))
		}
		if before.known && p.step(before) != back {
			t.Fatalf("%+v back to %+v: %d", p, before, p.step(before))
		}
		if !before.known && p.entry != 0 {
			t.Fatalf("before %+v: %+v", p, before)
		}
	})
}

// FuzzTopic: a topic and a subscription that are taken arrive as they are at
// whoever splits the path and reads its parts as a form, as the service does,
// and at whoever reads the URL as Go does.
func FuzzTopic(f *testing.F) {
	f.Add("acme/events/orders", "billing")
	f.Add("non-persistent://a/b/c d+e%20/ü?#;", "+ /%")
	f.Add("a/b/..", ".")
	f.Add("a=:/._-/\x00", "\xff")
	f.Fuzz(func(t *testing.T, topic, subscription string) {
		c := NewConsumer("wss://pulsar.example/gate%2Fway/?a=b", topic, subscription, Logger(quietly))
		if c.Validate() != nil {
			return
		}
		address, _ := c.link.Request("")
		u, err := url.Parse(address)
		if err != nil || u.Fragment != "" || u.Query().Get("a") != "b" || u.Host != "pulsar.example" {
			t.Fatalf("%s: %v", address, err)
		}
		full := topic
		if !strings.Contains(strings.SplitN(topic, "/", 2)[0]+"//", ":/") || !strings.Contains(topic, "://") || !strings.HasPrefix(topic, "persistent://") && !strings.HasPrefix(topic, "non-persistent://") {
			full = "persistent://" + topic
		}
		domain, rest, _ := strings.Cut(full, "://")
		parts := strings.Split(u.EscapedPath(), "/")
		if len(parts) != 10 || parts[5] != domain {
			t.Fatalf("%s", address)
		}
		name, err1 := url.QueryUnescape(parts[8])
		sub, err2 := url.QueryUnescape(parts[9])
		if err1 != nil || err2 != nil || parts[6]+"/"+parts[7]+"/"+name != rest || sub != subscription {
			t.Fatalf("%s is read as %q of %q, %v, %v", address, name, sub, err1, err2)
		}
		if unescaped, err := url.PathUnescape(parts[8]); err != nil || unescaped != name {
			t.Fatalf("%s is read in two ways", address)
		}
		if source, err := url.Parse(c.source); err != nil || source.Path != "/"+rest {
			t.Fatalf("source %q, %v", c.source, err)
		}
	})
}

// FuzzCloseReason has what a service says come out on one line, cut, and
// without the token.
func FuzzCloseReason(f *testing.F) {
	f.Add(1001, "Idle timeout expired: 300000/300000 ms")
	f.Add(1011, "java.lang.NullPointerException: "+canary)
	f.Add(1000, "\x1b[31m\nmsg=forged\u2028")
	f.Add(8, strings.Repeat("\xff", 123))
	f.Add(1009, canary[:20])
	r := NewReader("wss://pulsar.example/?tenant=t1", aTopic, Token(canary), Logger(quietly))
	f.Fuzz(func(t *testing.T, code int, reason string) {
		end := r.link.Closing(wslink.NewLine(canary, 1<<10), websocket.CloseError{Code: websocket.StatusCode(code), Reason: reason})
		text := end.Err.Error()
		if strings.ContainsAny(text, "\n\r\x1b\x00\u2028\u0085") || !utf8.ValidString(text) || len(text) > 1200 {
			t.Fatalf("%q", text)
		}
		if strings.Contains(text, canary) || strings.Contains(reason, canary) && strings.Contains(text, "CANARY-k3y") {
			t.Fatalf("%q holds the token", text)
		}
		if end.Class != wslink.Transient {
			t.Fatalf("class %d of %d: no close code is final", end.Class, code)
		}
	})
}

// sessionOf is a session that has read a message, of which cut bytes were
// thrown away.
func sessionOf(data []byte, cut int64) *session {
	s := &session{Line: wslink.NewLine("", 1<<20)}
	s.Conn, s.In, s.Cut = &wsconn.Conn{}, data, cut
	return s
}

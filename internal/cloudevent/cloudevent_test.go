package cloudevent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/eventdelivery/eds-go/eds"
)

func tenant() *eds.Event {
	return &eds.Event{
		ID:      "6f1c9d6e-0c57-4a51-9c4c-0a3d2b1c0f11",
		Type:    "TENANT_ONBOARDED",
		Source:  "eds://eds.example/my-queue",
		Queue:   "my-queue",
		Time:    time.Date(2026, 3, 20, 14, 30, 0, 123e6, time.UTC),
		Payload: []byte(`{"tenantId":"P0001","empegoTenantId":"tenant-abc"}`),
	}
}

func TestAppend(t *testing.T) {
	change := func(f func(*eds.Event)) *eds.Event { e := tenant(); f(e); return e }
	const head = `{"specversion":"1.0","id":"6f1c9d6e-0c57-4a51-9c4c-0a3d2b1c0f11","source":"eds://eds.example/my-queue","type":"TENANT_ONBOARDED","edsqueue":"my-queue"`
	const when = `,"time":"2026-03-20T14:30:00.123Z"`
	const asJSON = `,"datacontenttype":"application/json","data":`
	const asBinary = `,"datacontenttype":"application/octet-stream","data_base64":`
	const data = `{"tenantId":"P0001","empegoTenantId":"tenant-abc"}}`
	for name, row := range map[string]struct {
		event *eds.Event
		want  string
	}{
		"whole_event": {tenant(), head + when + asJSON + data},
		"no_time_no_member": {change(func(e *eds.Event) { e.Time = time.Time{} }),
			head + asJSON + data},
		"time_keeps_its_offset": {change(func(e *eds.Event) { e.Time = e.Time.In(time.FixedZone("", 5400)) }),
			head + `,"time":"2026-03-20T16:00:00.123+01:30"` + asJSON + data},
		"missing_payload_is_null": {change(func(e *eds.Event) { e.Payload = nil }),
			head + when + asJSON + `null}`},
		"null_payload_is_null": {change(func(e *eds.Event) { e.Payload = []byte("null") }),
			head + when + asJSON + `null}`},
		"numbers_and_escapes_stay_byte_for_byte": {change(func(e *eds.Event) {
			e.Payload = []byte(`[9007199254740993,1e400,-0.0,1.50,"\u0041\/\ud800",{"a":1,"a":2}]`)
		}), head + when + asJSON + `[9007199254740993,1e400,-0.0,1.50,"\u0041\/\ud800",{"a":1,"a":2}]}`},
		"line_breaks_between_tokens_go": {change(func(e *eds.Event) { e.Payload = []byte("\r\n{ \"a\\nb\" :\n\t[ 1 ,\n2 ] }\n") }),
			head + when + asJSON + `{"a\nb":[1,2]}}`},
		"scalar_payload": {change(func(e *eds.Event) { e.Payload = []byte(`"x"`) }), head + when + asJSON + `"x"}`},
		"unreadable_payload_is_base64": {change(func(e *eds.Event) { e.Payload = []byte(`{"a":`) }),
			head + when + asBinary + `"eyJhIjo="}`},
		"invalid_utf8_payload_is_base64": {change(func(e *eds.Event) { e.Payload = []byte("\"\xff\"") }),
			head + when + asBinary + `"Iv8i"}`},
		"attempt_is_a_number": {change(func(e *eds.Event) { e.Attempt = 3 }), head + `,"edsattempt":3` + when + asJSON + data},
		"attributes_in_order": {change(func(e *eds.Event) {
			e.Attributes = map[string]string{"traceparent": "00-1", "baggage": `a="\"`, "subject": "s"}
		}), head + `,"baggage":"a=\"\\\"","subject":"s","traceparent":"00-1"` + when + asJSON + data},
		"attribute_names_that_do_not_fit": {change(func(e *eds.Event) {
			e.Attributes = map[string]string{"id": "1", "X-Id": "2", "": "3", "edsqueue": "4", "edsattrx": "5", "zz": "6"}
		}), head + `,"edsattr":"3","edsattredsattrx":"5","edsattredsqueue":"4","edsattrid":"1","edsattrz58z2dz49d":"2","zz":"6"` + when + asJSON + data},
		"values_that_do_not_fit": {change(func(e *eds.Event) {
			e.Queue, e.Attributes = "my-queue", map[string]string{"a": "100%\n", "b": "100%", "c": "\xff\u0085\ufffe"}
		}), head + `,"a":"100%25%0A","b":"100%","c":"%FF%C2%85%EF%BF%BE","edsescaped":"a c"` + when + asJSON + data},
		"foreign_content_type": {change(func(e *eds.Event) {
			e.Attributes = map[string]string{"datacontenttype": "application/vnd.x+json"}
		}), head + when + `,"datacontenttype":"application/vnd.x+json","data":` + data},
		"content_type_that_says_nothing": {change(func(e *eds.Event) {
			e.Attributes = map[string]string{"datacontenttype": "application/json"}
		}), head + `,"edsattrdatacontenttype":"application/json"` + when + asJSON + data},
		"malformed_frame": {&eds.Event{Source: "eds://h/q", Payload: []byte("\x00\x01")},
			`{"specversion":"1.0","id":"unreadable-b413f47d13ee2fe6c845b2ee141af81d","source":"eds://h/q","type":"eds.unreadable","edsmissing":"id type"` + asBinary + `"AAE="}`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(Append(nil, row.event)); got != row.want {
				t.Errorf("Append\n got %s\nwant %s", got, row.want)
			}
			checkLine(t, row.event)
		})
	}
}

// checkLine holds the rules for the line of any event.
func checkLine(t interface {
	Helper()
	Errorf(string, ...any)
	Fatalf(string, ...any)
}, e *eds.Event) {
	t.Helper()
	prefix := []byte("prefix ")
	line, ok := bytes.CutPrefix(Append(prefix, e), prefix)
	if !ok {
		t.Fatalf("Append dropped what was in dst")
	}
	if !utf8.Valid(line) || bytes.ContainsAny(line, "\r\n") {
		t.Fatalf("not one line of UTF-8: %q", line)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, line); err != nil || compact.String() != string(line) {
		t.Fatalf("not compact JSON (%v): %s", err, line)
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	var members map[string]any
	if err := dec.Decode(&members); err != nil {
		t.Fatalf("encoding/json refuses the line: %v", err)
	}
	for name, value := range members {
		if name == "data" || name == "data_base64" {
			continue
		}
		for i := range len(name) {
			if !lowerAlnum(name[i]) {
				t.Errorf("%q is no CloudEvents attribute name", name)
			}
		}
		switch value := value.(type) {
		case json.Number:
		case string:
			if !clean(value) {
				t.Errorf("%s has characters that CloudEvents forbids: %q", name, value)
			}
		default:
			t.Errorf("%s is a %T", name, value)
		}
	}
	for _, name := range []string{"id", "source", "type"} {
		if s, _ := members[name].(string); s == "" {
			t.Errorf("%s is missing or empty", name)
		}
	}
	back, err := Parse(line)
	if err != nil {
		t.Fatalf("Parse: %v\n%s", err, line)
	}
	if diff := difference(e, &back); diff != "" {
		t.Errorf("Parse(Append(e)) differs: %s\n%s", diff, line)
	}
}

// difference tells in what got is not want, but for what the package comment
// says is not kept.
func difference(want, got *eds.Event) string {
	payload := want.Payload
	if json.Valid(payload) && utf8.Valid(payload) {
		var b bytes.Buffer
		if err := json.Compact(&b, payload); err == nil {
			payload = b.Bytes()
		}
	}
	if string(payload) == "null" {
		payload = nil
	}
	switch {
	case got.ID != want.ID || got.Type != want.Type || got.Source != want.Source || got.Queue != want.Queue || got.Attempt != want.Attempt:
		return fmt.Sprintf("%q %q %q %q %d, want %q %q %q %q %d", got.ID, got.Type, got.Source, got.Queue, got.Attempt,
			want.ID, want.Type, want.Source, want.Queue, want.Attempt)
	case !bytes.Equal(got.Payload, payload) || (got.Payload == nil) != (len(payload) == 0):
		return fmt.Sprintf("payload %q, want %q", got.Payload, payload)
	case !maps.Equal(got.Attributes, want.Attributes):
		return fmt.Sprintf("attributes %q, want %q", got.Attributes, want.Attributes)
	case !got.Time.Equal(want.Time):
		return fmt.Sprintf("time %v, want %v", got.Time, want.Time)
	}
	return ""
}

func TestRoundTripOfAnyEvent(t *testing.T) {
	// Names that collide with ours, and strings that need care.
	name := rapid.OneOf(rapid.StringMatching(`[a-z0-9]{0,12}`), rapid.String(), rapid.StringMatching(`edsattr[a-z0-9]{0,8}`),
		rapid.SampledFrom([]string{"id", "type", "source", "data", "data_base64", "time", "subject", "dataschema",
			"datacontenttype", "specversion", "edsqueue", "edsattempt", "edsmissing", "edsescaped"}))
	text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{"", "%", "%41", JSON, Binary, "text/plain", "\"\\", "\u2028", "\x7f"}))
	payload := rapid.OneOf(rapid.SliceOf(rapid.Byte()), rapid.Map(document(), func(s string) []byte { return []byte(s) }))
	rapid.Check(t, func(t *rapid.T) {
		e := &eds.Event{
			ID: text.Draw(t, "id"), Type: text.Draw(t, "type"), Source: text.Draw(t, "source"), Queue: text.Draw(t, "queue"),
			Payload: payload.Draw(t, "payload"), Attempt: rapid.Int().Draw(t, "attempt"),
			Attributes: rapid.MapOfN(name, text, -1, 20).Draw(t, "attributes"),
		}
		if rapid.Bool().Draw(t, "timed") {
			zone := time.FixedZone("", rapid.IntRange(-86399, 86399).Draw(t, "zone"))
			e.Time = time.Unix(rapid.Int64Range(-62167219200+86400, 253402300799-86400).Draw(t, "sec"), rapid.Int64Range(0, 999999999).Draw(t, "nsec")).In(zone)
		}
		checkLine(t, e)
	})
}

// document draws JSON texts with white space where it may be.
func document() *rapid.Generator[string] {
	space := rapid.SampledFrom([]string{"", "", " ", "\n", "\r\n\t"})
	scalar := rapid.SampledFrom([]string{"null", "true", "0", "-1.50e+3", "9007199254740993", `"a\nb"`, `"\ud800"`, `"\u2028 "`, `"é\\"`})
	return rapid.Custom(func(t *rapid.T) string {
		var b strings.Builder
		var value func(depth int)
		value = func(depth int) {
			b.WriteString(space.Draw(t, "space"))
			kind := rapid.IntRange(0, 3).Draw(t, "kind")
			if depth == 0 {
				kind = 0
			}
			switch kind {
			case 2:
				b.WriteByte('[')
				for i := range rapid.IntRange(0, 3).Draw(t, "items") {
					if i > 0 {
						b.WriteByte(',')
					}
					value(depth - 1)
				}
				b.WriteByte(']')
			case 3:
				b.WriteByte('{')
				for i := range rapid.IntRange(0, 3).Draw(t, "members") {
					if i > 0 {
						b.WriteByte(',')
					}
					b.WriteString(space.Draw(t, "space") + rapid.SampledFrom([]string{`"a"`, `"b"`, `""`}).Draw(t, "name") + space.Draw(t, "space") + ":")
					value(depth - 1)
				}
				b.WriteByte('}')
			default:
				b.WriteString(scalar.Draw(t, "scalar"))
			}
			b.WriteString(space.Draw(t, "space"))
		}
		value(4)
		return b.String()
	})
}

// A payload at the depth limit of the JSON readers must not make a line that
// is over it.
func TestDeepPayloads(t *testing.T) {
	for _, depth := range []int{100, 9_998, 9_999, 10_000, 10_001, 200_000} {
		e := tenant()
		e.Payload = []byte(strings.Repeat("[", depth) + strings.Repeat("]", depth))
		line := Append(nil, e)
		if !json.Valid(line) {
			t.Errorf("depth %d: encoding/json refuses the line", depth)
		}
		back, err := Parse(line)
		if err != nil || !bytes.Equal(back.Payload, e.Payload) {
			t.Errorf("depth %d: does not come back (%v)", depth, err)
		}
		if asJSON := bytes.Contains(line, []byte(`"data":`)); asJSON != (depth < 9_999) {
			t.Errorf("depth %d: as JSON %v", depth, asJSON)
		}
	}
}

func FuzzAppend(f *testing.F) {
	f.Add("id", "type", "eds://h/q", "q", []byte(`{"a": 1}`), "name", "value")
	f.Add("", "", "", "", []byte("\xff"), "datacontenttype", "text/plain")
	f.Fuzz(func(t *testing.T, id, typ, source, queue string, payload []byte, name, value string) {
		e := &eds.Event{ID: id, Type: typ, Source: source, Queue: queue, Payload: payload, Attributes: map[string]string{name: value}}
		checkLine(t, e)
		asJSON := bytes.Contains(Append(nil, &eds.Event{Payload: payload}), []byte(`"data":`))
		if want := len(payload) == 0 || json.Valid(payload) && utf8.Valid(payload); asJSON != want {
			t.Errorf("written as JSON: %v; encoding/json says %v", asJSON, want)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{50, 400, 4096} {
		e := tenant()
		e.Attributes = map[string]string{"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
		if size > 50 {
			e.Payload = fmt.Appendf(nil, `{"tenantId":"P0001","lines":[%s0]}`, strings.Repeat(`{"sku":"ABC-123","n":12345678901234567890},`, size/43))
		}
		b.Run(fmt.Sprintf("%dB", len(e.Payload)), func(b *testing.B) {
			buf := make([]byte, 0, 8192)
			b.ReportAllocs()
			for b.Loop() {
				buf = Append(buf[:0], e)
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}

func BenchmarkParse(b *testing.B) {
	line := Append(nil, tenant())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(line); err != nil {
			b.Fatal(err)
		}
	}
}

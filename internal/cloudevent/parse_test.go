package cloudevent

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/eventdelivery/eds-go/eds"
)

// The examples of the CloudEvents JSON format, sections 3.2 and 2.2, and
// other producers' ways.
func TestParseForeignEvents(t *testing.T) {
	const head = `{"specversion":"1.0","id":"A234-1234-1234","source":"/mycontext","type":"com.example.someevent"`
	base := eds.Event{ID: "A234-1234-1234", Source: "/mycontext", Type: "com.example.someevent"}
	with := func(payload string, attributes map[string]string) eds.Event {
		e := base
		e.Attributes = attributes
		if payload != "" {
			e.Payload = []byte(payload)
		}
		return e
	}
	for name, row := range map[string]struct {
		line string
		want eds.Event
	}{
		"no_data":       {head + `}`, base},
		"null_data":     {head + `,"data":null,"subject":null}`, base},
		"white_space":   {" " + strings.ReplaceAll(head, ",", "\n,\t") + "\r\n} ", base},
		"data_as_it_is": {head + `,"data": { "a" : 1.0 } }`, with(`{ "a" : 1.0 }`, nil)},
		"extensions": {head + `,"comexampleextension1":"value","comexampleothervalue":5,"flag":true,"subject":"s","datacontenttype":"text/xml","data":"<much wow=\"xml\"/>"}`,
			with(`"<much wow=\"xml\"/>"`, map[string]string{"comexampleextension1": "value", "comexampleothervalue": "5", "flag": "true", "subject": "s", "datacontenttype": "text/xml"})},
		"base64":            {head + `,"datacontenttype":"image/png","data_base64":"AAE="}`, with("\x00\x01", map[string]string{"datacontenttype": "image/png"})},
		"escapes_in_names":  {strings.Replace(head, `"id"`, `"\u0069d"`, 1) + `}`, base},
		"unreasonable_name": {head + `,"Foo_Bar":"x"}`, with("", map[string]string{"Foo_Bar": "x"})},
		"escaped_nowhere":   {head + `,"edsescaped":"nothere"}`, base},
	} {
		got, err := Parse([]byte(row.line))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := difference(&row.want, &got); diff != "" && name != "data_as_it_is" {
			t.Errorf("%s: %s", name, diff)
		}
		if string(got.Payload) != string(row.want.Payload) {
			t.Errorf("%s: payload %s", name, got.Payload)
		}
		checkLine(t, &got)
	}
}

func TestParseRefuses(t *testing.T) {
	const head = `{"specversion":"1.0","id":"1","source":"s","type":"t"`
	for line, want := range map[string]string{
		``:                                     "not valid JSON: ends early",
		`null`:                                 "not a JSON object",
		`[]`:                                   "not a JSON object",
		`nul`:                                  "not valid JSON",
		head:                                   "ends early",
		head + `,`:                             "not valid JSON",
		head + `} {}`:                          "more than one JSON value",
		head + `}x`:                            "more than one JSON value",
		head + `,"a":"` + "\xff" + `"}`:        "UTF-8",
		head + `,"id":"2"}`:                    `"id" occurs twice`,
		head + `,"data":1,"data":2}`:           "occurs twice",
		head + `,"data":1,"data_base64":"AA"}`: "occurs twice",
		head + `,"data_base64":"a"}`:           "Base64",
		head + `,"data_base64":1}`:             "Base64",
		head + `,"a":{}}`:                      `"a" is neither`,
		head + `,"a":["secret"]}`:              `"a" is neither`,
		head + `,"time":"yesterday"}`:          `"time"`,
		head + `,"edsattempt":"x"}`:            "edsattempt",
		head + `,"edsattempt":1.5}`:            "edsattempt",
		head + `,"a":"%4","edsescaped":"a"}`:   "percent-encoded",
		head + `,"a":"%zz","edsescaped":"a"}`:  "percent-encoded",
		head + `,"edsattrz4":"x"}`:             "escaped attribute",
		head + `,"a":"1","edsattra":"2"}`:      "occurs twice",
		`{"id":"1","source":"s","type":"t"}`:   `"specversion" is missing`,
		`{"specversion":"0.3","id":"1","source":"s","type":"t"}`: `"0.3"`,
		`{"specversion":"1.0","source":"s","type":"t"}`:          `"id" is missing`,
		`{"specversion":"1.0","id":"","source":"s","type":"t"}`:  `"id" is missing or empty`,
		`{"specversion":"1.0","id":"1","type":"t"}`:              `"source"`,
		`{"specversion":"1.0","id":"1","source":"s","type":1}`:   "",
	} {
		_, err := Parse([]byte(line))
		if want == "" {
			continue // a number is taken as its text
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s\n got %v\nwant %s", line, err, want)
		}
	}
}

// What Parse takes is JSON, and comes back the same once it is written again.
func FuzzParse(f *testing.F) {
	f.Add(Append(nil, tenant()))
	f.Add(Append(nil, &eds.Event{Payload: []byte("\xff")}))
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","datacontenttype":"text/plain","data":"x","A":"%","edsescaped":"A"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := Parse(line)
		if err != nil {
			return
		}
		if !utf8.Valid(line) || !json.Valid(line) {
			t.Fatalf("encoding/json refuses what Parse takes: %q", line)
		}
		checkLine(t, &e)
	})
}

func TestParseKeepsNoPartOfTheLine(t *testing.T) {
	want := tenant()
	want.Attributes = map[string]string{"a": "b"}
	line := Append(nil, want)
	got, err := Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	clear(line)
	if diff := difference(want, &got); diff != "" {
		t.Error(diff)
	}
}

func TestAppendAllocations(t *testing.T) {
	e := tenant()
	e.Attributes = map[string]string{"traceparent": "00-1", "tracestate": "x=y"}
	e.Attempt = 7
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(500, func() { buf = Append(buf[:0], e) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

func TestAttributesAgreeWithTheLine(t *testing.T) {
	e := tenant()
	e.Attempt, e.Attributes = 2, map[string]string{"X": "\n", "traceparent": "00-1"}
	var members map[string]any
	if err := json.Unmarshal(Append(nil, e), &members); err != nil {
		t.Fatal(err)
	}
	delete(members, "data")
	delete(members, "datacontenttype")
	for _, a := range Attributes(e) {
		want := members[a.Name]
		if n, ok := want.(float64); ok && a.Value == "2" && n == 2 {
			want = "2"
		}
		if want != a.Value {
			t.Errorf("%s: %q, the line has %v", a.Name, a.Value, want)
		}
		delete(members, a.Name)
	}
	if len(members) > 0 {
		t.Errorf("missing: %v", members)
	}
}

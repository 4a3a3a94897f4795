package edsv2

import (
	"bytes"
	"encoding/json"
	neturl "net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/internal/wslink"
)

// FuzzFrame compares the scanner with encoding/json: what it accepts is JSON,
// with the same values; what it refuses is no JSON, or refused for a reason.
func FuzzFrame(f *testing.F) {
	for _, s := range []string{
		event("e1", "r1"), sized(400, 1), `{}`, `{"frameType":"PONG"}`, `[]`, `null`, `{"a":[1,-0.5e+7,"\u00e9\ud83d\ude00",{}]}`,
		`{"frameType":"EVENT","framePayload":{"eventId":"\ud800","eventType":"t","receiptId":"r"}}`,
		`{"frameType":"EVENT","framePayload":{"eventId":"e","EVENTID":"x","eventType":"t","receiptId":"r","receiptId":"r"}}`,
		` { "frameType" : "EVENT" , "framePayload" : { "eventPayload" : [ true , false , null ] } } `,
		strings.Repeat(`{"a":[`, 40) + strings.Repeat(`]}`, 40), "{\"\xff\":1}", `{"a":"` + strings.Repeat("x", 20) + "\x1f" + `"}`,
		`{"frameType":"ACK_EVENT_REPLY","framePayload":{"receiptId":"\"\\\/\b\f\n\r\t"}}`, `{"a":1e5,"b":-0,"c":0.1,"d":01}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var fr frame
		err := fr.scan(data)
		object := json.Valid(data) && bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{"))
		if (err == nil) != object && !fr.tooDeep {
			t.Fatalf("scan = %v, valid object = %v", err, object)
		}
		if got := fr.receipt(nil); !utf8.Valid(got) && fr.badUTF8 {
			t.Fatalf("receipt %q", got)
		}
		if err != nil || fr.tooDeep {
			return
		}
		if fr.badUTF8 == utf8.Valid(data) {
			t.Fatalf("badUTF8 = %v", fr.badUTF8)
		}
		if fr.badUTF8 || fr.twice != "" || fr.wrongCase != "" {
			return
		}
		var want struct {
			FrameType    any             `json:"frameType"`
			FramePayload json.RawMessage `json:"framePayload"`
		}
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		same(t, "frameType", &fr.frameType, want.FrameType)
		var inner map[string]json.RawMessage
		json.Unmarshal(want.FramePayload, &inner)
		for name, v := range map[string]*field{
			"eventId": &fr.eventID, "eventType": &fr.eventType, "receiptId": &fr.receiptID,
			"eventTs": &fr.eventTs, "queueName": &fr.queueName, "eventPayload": &fr.eventPayload,
		} {
			raw, there := inner[name]
			if !there {
				if v.kind != absent {
					t.Fatalf("%s = %q, want none", name, v.raw)
				}
				continue
			}
			if !bytes.Equal(raw, v.raw) {
				t.Fatalf("%s = %q, want %q", name, v.raw, raw)
			}
			var decoded any
			d := json.NewDecoder(bytes.NewReader(raw))
			d.UseNumber()
			d.Decode(&decoded)
			same(t, name, v, decoded)
		}
		if err := fr.fault("my-queue"); err == nil {
			for _, v := range []*field{&fr.eventID, &fr.eventType} {
				if s, ok := v.append(nil); !ok || len(s) == 0 || len(s) > maxID || !utf8.Valid(s) {
					t.Fatalf("accepted %q", s)
				}
			}
		}
		// What is sent back is what came.
		if r := fr.receipt(nil); len(r) > 0 {
			var ack struct {
				FrameType    string
				FramePayload struct{ ReceiptID string }
			}
			if err := json.Unmarshal(appendAck(nil, string(r)), &ack); err != nil || ack.FramePayload.ReceiptID != string(r) ||
				ack.FrameType != "ACK_EVENT" {
				t.Fatalf("ack of %q: %+v, %v", r, ack, err)
			}
		}
	})
}

func same(t *testing.T, name string, v *field, want any) {
	t.Helper()
	s, isString := want.(string)
	if isString != (v.kind == text) {
		t.Fatalf("%s: kind %d, want %T", name, v.kind, want)
	}
	if !isString {
		return
	}
	got, ok := v.append(nil)
	if ok && string(got) != s || !ok && !strings.Contains(s, "\ufffd") {
		t.Fatalf("%s = %q, %v; want %q", name, got, ok, s)
	}
}

// FuzzCloseReason has what a service says come out on one line, cut, and
// without the key.
func FuzzCloseReason(f *testing.F) {
	f.Add(4401, "bad key "+canary)
	f.Add(4409, "\x1b[31m\nmsg=forged\u2028")
	f.Add(1011, strings.Repeat("\xff", 123))
	f.Add(4403, canary[:20])
	f.Fuzz(func(t *testing.T, code int, reason string) {
		tr := New("wss://eds.example/?tenant=t1", "my-queue", APIKey(canary))
		end := tr.link.Closing(wslink.NewLine(canary, 1<<10), websocket.CloseError{Code: websocket.StatusCode(code), Reason: reason})
		text := end.Err.Error()
		if strings.ContainsAny(text, "\n\r\x1b\x00\u2028\u0085") || !utf8.ValidString(text) || len(text) > 1200 {
			t.Fatalf("%q", text)
		}
		if strings.Contains(text, canary) || strings.Contains(reason, canary) && strings.Contains(text, "CANARY-k3y") {
			t.Fatalf("%q holds the key", text)
		}
		if end.Class == wslink.BadKey != (code == 4401 || code == 4403) || end.Class == wslink.Held != (code == 4409) {
			t.Fatalf("class %d of %d", end.Class, code)
		}
	})
}

// FuzzURL has no part of a URL beside host and path shown, and the queue
// arrive as it is.
func FuzzURL(f *testing.F) {
	f.Add("wss://user:SECRET@eds.example/a?k=SECRET#SECRET", "my-queue")
	f.Add("wss://eds.example/%zz?SECRET", "a&b=c")
	f.Add("ws://localhost:80/subscribe?queue=x", "\xff \n")
	f.Add("wss://eds.example/a@", "my-queue")
	f.Fuzz(func(t *testing.T, url, queue string) {
		tr := New(url, queue, APIKey("k"))
		err := tr.Validate()
		if err != nil {
			return
		}
		address, _ := tr.link.Request("k")
		dial, err := neturl.Parse(address)
		if err != nil || dial.Query().Get("queue") != queue || len(dial.Query()["queue"]) != 1 || dial.Fragment != "" {
			t.Fatalf("url = %q, %v", address, err)
		}
		if source, err := neturl.Parse(tr.source); err != nil || source.Scheme != "eds" || source.Path != "/"+queue {
			t.Fatalf("source = %q, %v", tr.source, err)
		}
		if u, err := neturl.Parse(tr.link.Shown); err != nil || u.User != nil || u.RawQuery != "" || u.Host != dial.Host {
			t.Fatalf("shown = %q, %v", tr.link.Shown, err)
		}
	})
}

package edstest

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

var frames = []string{
	`{"frameType":"ACK_EVENT","framePayload":{"receiptId":"r-1"}}`,
	`{"frameType":"ACK_EVENT","framePayload":{"receiptId":""}}`,
	`{"frameType":"ACK_EVENT","framePayload":{"receiptId":"\u0041"}}`,
	`{"frameType":"ACK_EVENT","framePayload":{"receiptId":"a","x":"b"}}`,
	`{"frameType":"ACK_EVENT","framePayload":{"receiptId":"a"}}}`,
	"{\"frameType\":\"ACK_EVENT\",\"framePayload\":{\"receiptId\":\"a\x01\"}}",
	"{\"frameType\":\"ACK_EVENT\",\"framePayload\":{\"receiptId\":\"a\xff\"}}",
	`{"frameType":"ACK_EVENT","framePayload":{"receiptId":"é"}}`,
	` { "framePayload" : { "receiptId" : "r" } , "frameType" : "ACK_EVENT" } `,
	`{"frameType":"PING","framePayload":{"correlationId":"p"}}`,
	`{"frameType":"PING","framePayload":{"correlationId":{"a":[1]}}}`,
	`{"frameType":"PING"}`,
	`{"frameType":"PONG"}`,
	`{"frameType":"ACK_EVENT","frameType":"PING"}`,
	`[]`, `null`, `7`, ``, "\xff",
}

// FuzzDecode: the short cut for acknowledgements agrees with the decoder for
// all frames, and what is accepted means the same to encoding/json.
func FuzzDecode(f *testing.F) {
	for _, frame := range frames {
		f.Add([]byte(frame))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		receipt, short := plainAck(data)
		long, err := decodeAny(data)
		if short && (err != nil || long.kind != Acks || !bytes.Equal(long.receipt, receipt)) {
			t.Fatalf("%q: the short cut reads %q, the decoder %+v, %v", data, receipt, long, err)
		}
		got, err := decode(data)
		if err != nil {
			return
		}
		if !utf8.Valid(data) {
			t.Fatalf("%q is not UTF-8", data)
		}
		var std struct {
			FrameType    string
			FramePayload *struct {
				ReceiptID     string
				CorrelationID json.RawMessage
			}
		}
		if err := json.Unmarshal(data, &std); err != nil {
			t.Fatalf("%q was accepted: %v", data, err)
		}
		switch got.kind {
		case Acks:
			if len(got.receipt) == 0 {
				t.Fatalf("%q: an acknowledgement of nothing", data)
			}
			if !json.Valid(reply(string(got.receipt))) {
				t.Fatalf("%q: the reply is not JSON", data)
			}
		case Pings:
			if !json.Valid(pong(got.echo)) {
				t.Fatalf("%q: the PONG %q is not JSON", data, pong(got.echo))
			}
		default:
			t.Fatalf("%q: kind %q", data, got.kind)
		}
	})
}

// FuzzPublishBody: what is accepted makes a frame that is JSON and says what
// the body said.
func FuzzPublishBody(f *testing.F) {
	for _, body := range []string{
		`{"eventType":"T"}`, `{"eventId":"a","eventType":"T","eventTs":"x","eventPayload":{"a":1}}`,
		`{"eventType":"T","eventPayload":"` + Receipt + `"}`, `{"eventType":"\u2028<&>"}`, `{"eventType":""}`, `{}`, `[]`, "", "\xff",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := parseBody(body)
		if err != nil {
			return
		}
		if !utf8.Valid(body) || e.kind == "" {
			t.Fatalf("%q was accepted", body)
		}
		if e.id == "" {
			e.id = "generated"
		}
		head, tail, err := e.frame("queue")
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		var got struct {
			FramePayload struct {
				EventID, EventType, ReceiptID, EventTs, QueueName string
				EventPayload                                      json.RawMessage
			}
		}
		frame := append(append(head, "the receipt"...), tail...)
		if err := json.Unmarshal(frame, &got); err != nil {
			t.Fatalf("%q makes the frame %q: %v", body, frame, err)
		}
		p := got.FramePayload
		if p.EventID != e.id || p.EventType != e.kind || p.EventTs != e.ts || p.ReceiptID != "the receipt" ||
			!bytes.Equal(bytes.TrimSpace(p.EventPayload), bytes.TrimSpace(e.payload)) {
			t.Fatalf("%q makes the frame %q", body, frame)
		}
	})
}

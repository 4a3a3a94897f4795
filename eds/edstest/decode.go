package edstest

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// incoming is a frame of the client, decoded.
type incoming struct {
	kind    Incoming
	receipt []byte         // of Acks; aliases the message where it can
	echo    jsontext.Value // correlationId of Pings, raw; nil when there was none
}

var (
	ackHead = []byte(`{"frameType":"ACK_EVENT","framePayload":{"receiptId":"`)
	ackTail = []byte(`"}}`)
)

// decode reads a text message of the client. It is strict (UTF-8, no name
// twice, names in their exact case): a client that sends anything else would
// rely on luck.
func decode(data []byte) (incoming, error) {
	if receipt, ok := plainAck(data); ok {
		return incoming{kind: Acks, receipt: receipt}, nil
	}
	return decodeAny(data)
}

// plainAck reads the acknowledgement as nearly every client writes it: compact
// and without escapes.
func plainAck(data []byte) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(data, ackHead)
	if !ok {
		return nil, false
	}
	receipt, ok := bytes.CutSuffix(rest, ackTail)
	if !ok || len(receipt) == 0 {
		return nil, false
	}
	for _, c := range receipt {
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return nil, false
		}
	}
	return receipt, true
}

func decodeAny(data []byte) (incoming, error) {
	var frame struct {
		Type    string         `json:"frameType"`
		Payload jsontext.Value `json:"framePayload"`
	}
	if err := json.Unmarshal(data, &frame); err != nil {
		return incoming{}, fmt.Errorf("not a frame: %w", err)
	}
	switch kind := Incoming(frame.Type); kind {
	case Acks:
		var payload struct {
			Receipt string `json:"receiptId"`
		}
		if err := json.Unmarshal(orNull(frame.Payload), &payload); err != nil {
			return incoming{}, fmt.Errorf("ACK_EVENT: %w", err)
		}
		if payload.Receipt == "" {
			return incoming{}, errors.New("ACK_EVENT without a receiptId")
		}
		return incoming{kind: kind, receipt: []byte(payload.Receipt)}, nil
	case Pings:
		var payload struct {
			Echo jsontext.Value `json:"correlationId"`
		}
		if err := json.Unmarshal(orNull(frame.Payload), &payload); err != nil {
			return incoming{}, fmt.Errorf("PING: %w", err)
		}
		return incoming{kind: kind, echo: payload.Echo}, nil
	}
	return incoming{}, fmt.Errorf("frame of type %q", shorten(frame.Type))
}

func orNull(v jsontext.Value) jsontext.Value {
	if len(v) == 0 {
		return jsontext.Value("null")
	}
	return v
}

func shorten(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}

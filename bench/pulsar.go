package main

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"

	"github.com/coder/websocket"
)

// The consumer endpoint of Pulsar's WebSocket service, in push mode. The
// server sends what that service does, and takes no notice of the path.
const (
	pulsarTopic        = "acme/billing/tenants"
	pulsarSubscription = "bench"
	pulsarPrefix       = `{"messageId":"`
)

// pulsarHead and pulsarTail lie around the number of an entry in a message id:
// the fields of Pulsar's MessageIdData, in base64 on the wire. Numbers are
// varints of five bytes, from 1<<28 on.
const (
	pulsarHead = "\x08\xb9\x8b\xa4\x01\x10" // ledgerId, entryId
	pulsarTail = "\x18\x00\x20\x00\x30\x01" // partition, batch_index, batch_size
	firstEntry = 1 << 28

	pulsarIDBytes  = len(pulsarHead) + 5 + len(pulsarTail)
	pulsarIDLength = (pulsarIDBytes + 2) / 3 * 4
)

var pulsar = protocol{
	path: "/ws/v2/consumer/persistent/" + pulsarTopic + "/" + pulsarSubscription +
		"?subscriptionType=Shared&receiverQueueSize=1000",
	newEvent:      newPulsarMessage,
	stamp:         func(text []byte, n int) { setEntry(text[len(pulsarPrefix):], n) },
	receiptOffset: len(pulsarPrefix),
	receiptLength: pulsarIDLength,
	number:        entry,
	ackPrefix:     pulsarPrefix,
	ackSuffix:     `"}`,
	read: func(message []byte) (receipt []byte, answer string, err error) {
		var command struct{ Type, MessageID string }
		if err := json.Unmarshal(message, &command); err != nil {
			return nil, "", fmt.Errorf("unreadable command from the client: %w", err)
		}
		if command.Type != "" {
			return nil, "", fmt.Errorf("unexpected command %q from the client", command.Type)
		}
		return []byte(command.MessageID), "", nil
	},
}

// newPulsarMessage returns a message whose payload is of exactly size bytes
// before it becomes base64.
func newPulsarMessage(size int, _ uint32) ([]byte, error) {
	payload, err := fitted(size, tenantText)
	if err != nil {
		return nil, err
	}
	id := make([]byte, pulsarIDLength)
	setEntry(id, 0)
	text := fmt.Appendf(nil, `%s%s","payload":"%s","properties":{"type":"%s"},"publishTime":"2026-03-20T14:30:00.123Z","redeliveryCount":0}`,
		pulsarPrefix, id, base64.StdEncoding.EncodeToString(payload), eventType)
	if len(text) > math.MaxUint16 {
		return nil, fmt.Errorf("a payload of %d bytes makes a message of %d, of which 65535 are possible", size, len(text))
	}
	return text, nil
}

// setEntry writes the message id of entry n.
func setEntry(id []byte, n int) {
	var b [pulsarIDBytes]byte
	raw := append(b[:0], pulsarHead...)
	raw = binary.AppendUvarint(raw, uint64(firstEntry+n))
	raw = append(raw, pulsarTail...)
	base64.StdEncoding.Encode(id, raw)
}

// entry reads it back.
func entry(id []byte) (n int, ok bool) {
	raw := make([]byte, 0, 64)
	if len(id) > cap(raw) {
		return 0, false
	}
	raw, err := base64.StdEncoding.Strict().AppendDecode(raw, id)
	at := len(pulsarHead)
	if err != nil || len(raw) != pulsarIDBytes || string(raw[:at]) != pulsarHead || string(raw[at+5:]) != pulsarTail {
		return 0, false
	}
	v, _ := binary.Uvarint(raw[at : at+5])
	return int(v) - firstEntry, v >= firstEntry
}

// pulsarMessage is a message as the vendors' samples in Go declare it.
type pulsarMessage struct {
	MessageID       string            `json:"messageId"`
	Payload         string            `json:"payload"`
	Properties      map[string]string `json:"properties"`
	PublishTime     string            `json:"publishTime"`
	RedeliveryCount int               `json:"redeliveryCount"`
	Key             string            `json:"key"`
	Type            string            `json:"type"` // only of what is no message of the topic
}

type pulsarAck struct {
	MessageID string `json:"messageId"`
}

// pulsarLoop is handLoop for Pulsar: parse, decode the payload, process,
// acknowledge.
func pulsarLoop(ctx context.Context, conn *websocket.Conn, process func(context.Context, *inPayload) error) error {
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return ended(ctx, err)
		}
		var m pulsarMessage
		if err := json.Unmarshal(data, &m); err != nil {
			return err
		}
		if m.Type != "" {
			continue
		}
		body, err := base64.StdEncoding.DecodeString(m.Payload)
		if err != nil {
			return err
		}
		e := inPayload{EventID: m.MessageID, EventType: m.Properties["type"], QueueName: pulsarTopic, EventPayload: body}
		if err := process(ctx, &e); err != nil {
			return ended(ctx, err)
		}
		ack, err := json.Marshal(pulsarAck{m.MessageID})
		if err != nil {
			return err
		}
		if err := conn.Write(ctx, websocket.MessageText, ack); err != nil {
			return ended(ctx, err)
		}
	}
}

package edstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Event is what a test publishes.
type Event struct {
	// ID is the eventId. Empty: a random UUID.
	ID string
	// Type is the eventType. It must not be empty; see PublishRaw for events
	// that break the rules.
	Type string
	// Time becomes the eventTs, in UTC with milliseconds. Zero: now.
	Time time.Time
	// Payload is the eventPayload, any JSON value, sent byte for byte. Nil: {}.
	Payload []byte
}

// Receipt stands in a frame given to PublishRaw for the receipt of each
// delivery.
const Receipt = "{receiptId}"

// ErrUnknownQueue is returned for a queue that the server was not given.
var ErrUnknownQueue = errors.New("edstest: unknown queue")

// message is an event on its way from publishing to its acknowledgement. Its
// frame is head, receipt, tail. All but the frame is guarded by Server.mu.
type message struct {
	seq        uint64
	id, kind   string
	head, tail []byte
	once       bool // there is no receipt: sent once, and done

	state     state
	delivered int // how often
	receipts  []string
	conn      *connection // that brought the newest receipt
	due       time.Time   // when it is delivered again
}

type state int

const (
	waiting state = iota
	inFlight
	done
)

func (m *message) newest() string {
	if len(m.receipts) == 0 {
		return ""
	}
	return m.receipts[len(m.receipts)-1]
}

// wireEvent is an event ready to be framed: what a publisher of either kind
// gave, checked.
type wireEvent struct {
	id, kind, ts string
	payload      []byte
}

// frame renders all but the receipt, which is new at each delivery.
func (e wireEvent) frame(queue string) (head, tail []byte, err error) {
	if e.kind == "" {
		return nil, nil, errors.New("edstest: an event needs a type")
	}
	if !json.Valid(e.payload) {
		return nil, nil, fmt.Errorf("edstest: the payload of event %q is not JSON", e.id)
	}
	id, kind, ts, name := quote(e.id), quote(e.kind), quote(e.ts), quote(queue)
	head = fmt.Appendf(nil, `{"frameType":"EVENT","framePayload":{"eventId":%s,"eventType":%s,"receiptId":"`, id, kind)
	tail = fmt.Appendf(nil, `","eventTs":%s,"queueName":%s,"eventPayload":%s}}`, ts, name, e.payload)
	return head, tail, nil
}

// quote renders s as a JSON string. It does not escape <, > and &, so that a
// frame looks as other services would write it.
func quote(s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// timestamp renders t as the example of the protocol page does.
func timestamp(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

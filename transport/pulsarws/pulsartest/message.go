package pulsartest

import (
	"bytes"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Message is what a producer sends. The zero value is a message with an empty
// payload.
type Message struct {
	Payload    []byte
	Properties map[string]string
	Key        string
	EventTime  time.Time // zero or 1970-01-01 for none; the service keeps milliseconds
	// NullPayload makes it a message without any payload, as Java producers
	// write for compacted topics. It ends the delivery to each session that it
	// comes to, without a word.
	NullPayload bool
	// DeliverAt holds the message back, on Shared and Key_Shared subscriptions.
	DeliverAt time.Time

	keyed bool // there is a key, though it may be empty
}

// Published is a message that a topic keeps.
type Published struct {
	Message
	ID          string
	PublishTime time.Time
}

// Placeholder stands for the message's id in the envelope of PublishRaw.
const Placeholder = "{messageId}"

// message is a message of one topic, or of one partition.
type message struct {
	Message
	t        *topic
	entry    int64
	ref      messageID
	id       string // the text of ref
	at       time.Time
	head     []byte     // of the envelope, before the redeliveryCount
	tail     []byte     // of the envelope, after it
	parts    []*message // of a batch, of which all have this entry; nil for a message of its own
	handmade bool       // head is the whole envelope
}

// timeLayout is ISO 8601 with an offset, and with as many digits of the
// fraction as are needed: what Java's DateTimeFormatter.ISO_OFFSET_DATE_TIME
// makes of milliseconds.
const timeLayout = "2006-01-02T15:04:05.999Z07:00"

// render writes the envelope, but for the redeliveryCount.
func (m *message) render(zone *time.Location) {
	b := make([]byte, 0, 160+base64.StdEncoding.EncodedLen(len(m.Payload)))
	b = append(b, `{"messageId":"`...)
	b = append(b, m.id...)
	b = append(b, `","payload":"`...)
	b = base64.StdEncoding.AppendEncode(b, m.Payload)
	b = append(b, `","properties":{`...)
	for i, name := range slices.Sorted(maps.Keys(m.Properties)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(quoted(b, name), ':')
		b = quoted(b, m.Properties[name])
	}
	b = append(b, `},"publishTime":"`...)
	b = m.at.In(zone).AppendFormat(b, timeLayout)
	b = append(b, `","redeliveryCount":`...)
	head := len(b)
	if !m.EventTime.IsZero() && m.EventTime.UnixMilli() != 0 {
		b = append(b, `,"eventTime":"`...)
		b = m.EventTime.In(zone).AppendFormat(b, timeLayout)
		b = append(b, '"')
	}
	if m.Key != "" || m.keyed {
		b = quoted(append(b, `,"key":`...), m.Key)
	}
	b = append(b, '}')
	m.head, m.tail = b[:head:head], b[head:]
}

// quoted appends text as a JSON string; what is not UTF-8 becomes U+FFFD.
func quoted(b []byte, text string) []byte {
	b, _ = jsontext.AppendQuote(b, strings.ToValidUTF8(text, "\uFFFD"))
	return b
}

func (m Message) clone() Message {
	m.Payload = bytes.Clone(m.Payload)
	m.Properties = maps.Clone(m.Properties)
	return m
}

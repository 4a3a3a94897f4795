package eightbyeight

import (
	"encoding/json"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Common is what an event of any type can have.
type Common struct {
	// MsgInfo is where and when 8x8 published the event.
	MsgInfo MsgInfo `json:"msgInfo"`
	// Event is the type as the body names it. AgentStatusChange does not.
	Event Text `json:"event"`
	// InteractionEventTS is when the event happened. Not every type has it.
	InteractionEventTS Seconds `json:"interactionEventTS"`
	// StatusEventTS is when the status of an agent changed.
	StatusEventTS Seconds `json:"statusEventTS"`

	// The rest is that of flat bodies, which "Getting Started" shows and no
	// sample of the reference has. The members of their "data" fill the fields
	// of the same names.
	EventID   Text            `json:"eventId"`
	EventType Text            `json:"eventType"`
	Timestamp Text            `json:"timestamp"` // RFC 3339
	TenantID  Text            `json:"tenantId"`
	Data      json.RawMessage `json:"data"`
}

// Time is when the event happened: InteractionEventTS, else StatusEventTS, else
// Timestamp, else when 8x8 published it; the zero time when none of them can be
// read. The mapper of package streaming8x8 puts the same into Event.Time, and
// in the last case the publish time of the message.
//
// eventTS has no part in it: it is the same in all events of an interaction.
func (c *Common) Time() time.Time {
	for _, s := range [...]Seconds{c.InteractionEventTS, c.StatusEventTS} {
		if t := s.Time(); !t.IsZero() {
			return t
		}
	}
	if t, err := time.Parse(time.RFC3339, string(c.Timestamp)); err == nil {
		return t
	}
	return c.MsgInfo.Timestamp.Time()
}

// MsgInfo is where and when 8x8 published an event. It is empty in some of the
// vendor's samples.
type MsgInfo struct {
	// InstanceID names the server.
	InstanceID Text `json:"instanceId"`
	// SequenceID counts events; of the instance, it seems.
	SequenceID Number `json:"sequenceId"`
	// Timestamp is when 8x8 published the message, which is later than the
	// event.
	Timestamp Millis `json:"timestamp"`
}

// UnmarshalJSONFrom takes an object; anything else is an empty one.
func (m *MsgInfo) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '{' {
		return dec.SkipValue()
	}
	type plain MsgInfo
	return jsonv2.UnmarshalDecode(dec, (*plain)(m))
}

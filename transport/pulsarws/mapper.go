package pulsarws

import (
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// The properties in which Publish puts what an event is beside its payload.
// The names are those of the CloudEvents Kafka protocol binding 1.0.2, section
// 3.2.3.1; there is no binding for Pulsar.
const (
	propID     = "ce_id"
	propType   = "ce_type"
	propSource = "ce_source"
	propTime   = "ce_time"
)

// attrKey is the attribute for a message's key, which is the CloudEvents
// extension "partitioning".
const attrKey = "partitionkey"

// Key returns the partition key of an event, whatever Mapper it went through,
// for eds.OrderBy: a Key_Shared subscription gives the messages of a key to one
// consumer, and that one must not handle them side by side either.
func Key(e *eds.Event) string { return e.Attributes[attrKey] }

// MapProperties is the Mapper of messages that say in their properties what
// they are: ce_id, ce_type, ce_source and ce_time, as Publish writes them. A
// message without a type is of the type "type" or "eventType", by the
// property of that name, else of the type of its topic, by name: so that
// app.Handle("acme/billing/invoices", fn) gets whatever that topic brings.
func MapProperties(m *Message, e *eds.Event) error {
	p := m.Properties
	e.Type = e.Queue
	for _, name := range [...]string{propType, "type", "eventType"} {
		if v := p[name]; v != "" {
			e.Type = v
			break
		}
	}
	if v := p[propID]; v != "" {
		e.ID = v
	}
	if v := p[propSource]; v != "" {
		e.Source = v
	}
	if v := p[propTime]; v != "" {
		if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
			e.Time = t
		}
	}
	// What the event itself says now is no attribute besides.
	for _, name := range [...]string{propID, propType, propSource, propTime} {
		delete(e.Attributes, name)
	}
	if len(e.Attributes) == 0 {
		e.Attributes = nil
	}
	return nil
}

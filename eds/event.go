package eds

import "time"

// Event is what happened, as its source told it.
//
// An Event is shared by the whole chain and by every handler that it reaches,
// so treat it as read-only; copy Payload before changing it. It stays valid
// after the handler returned.
type Event struct {
	// ID is the stable identity of the event: the same on every redelivery,
	// and the key under which duplicates are recognised. It is an opaque
	// string. It is empty only on a Delivery whose Err says why.
	ID string

	// Type names the kind of event, such as "TENANT_ONBOARDED", and chooses
	// the handler. The set of types is open.
	Type string

	// Source is a URI reference that tells this event's origin from all
	// others: the service's host and the queue or topic. Two events with
	// the same ID and different Sources are different events.
	Source string

	// Queue is the bare name of the queue or topic, for spans, metrics and
	// logs.
	Queue string

	// Time is when the event happened; zero when the source gave no time
	// that can be read.
	Time time.Time

	// Payload is the raw JSON of the event's data, byte for byte as it came;
	// nil when the source sent none. On a Delivery with an Err it is the
	// whole unreadable frame and need not be JSON.
	Payload []byte

	// Attributes are what else travelled along (trace context, message
	// properties). Nil when there are none.
	Attributes map[string]string

	// Attempt counts how often this event was taken on for processing,
	// starting at 1; 0 when nobody counted. The count comes from the service
	// or from the dedupe store, grows with every new owner of the event, and
	// so serves as a fencing number.
	Attempt int
}

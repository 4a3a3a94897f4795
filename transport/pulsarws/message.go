package pulsarws

import (
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// Message is what the service delivered, out of its envelope. It belongs to
// the Mapper for the time of the call; Payload and Properties may be kept.
type Message struct {
	// ID is the base64 text under which the service knows the message.
	ID string
	// Payload is decoded from base64; empty when the producer sent none.
	Payload []byte
	// Properties are the producer's, and the Key as partitionkey; nil when
	// there are none. They are the Attributes of the event.
	Properties map[string]string
	// PublishTime is when the service took the message from its producer, and
	// EventTime what the producer says; each zero when it is missing or cannot
	// be read.
	PublishTime, EventTime time.Time
	// Key is the partition key; empty when there is none.
	Key string
	// RedeliveryCount is how often the message was delivered before, as far as
	// the service counts that: on Shared and Key_Shared subscriptions alone.
	RedeliveryCount int
	// Encryption is the JSON object that describes how a payload is encrypted
	// which the service could not decrypt; nil when it is not.
	Encryption []byte
}

// Mapper makes the event of a message. The event comes with ID (the message's;
// see Consumer for topics that are non-persistent), Source, Queue, Time (the
// event time, else the publish time), Payload, Attributes (the properties, and
// the key for the function Key) and Attempt set from the envelope; the mapper
// sets Type and improves on the others. With an error the message becomes a
// Delivery whose Err is that error, marked as permanent, and whose event holds
// what the mapper had set.
//
// A Mapper is called by one goroutine at a time and must not keep m or e.
type Mapper func(m *Message, e *eds.Event) error

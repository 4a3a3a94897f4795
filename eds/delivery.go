package eds

import "time"

// Delivery is one attempt of a service to hand over an Event. The same event
// comes in a new Delivery, with a new receipt, for as long as no Delivery of
// it was acknowledged.
//
// A Transport makes it and gives it away: after Receive returned it, the
// transport must not change it.
type Delivery struct {
	Event Event

	// Receipt is what the service wants back as the acknowledgement. An empty
	// Receipt means that this delivery cannot be acknowledged.
	Receipt string

	// Received is when the delivery was read from the wire: the start of its
	// clock.
	Received time.Time

	// Deadline is until when the service accepts the acknowledgement; zero
	// when it sets no limit. It informs metrics and middleware; a delivery
	// past it is still handled, since its redelivery joins the run.
	Deadline time.Time

	// Err says that the delivery cannot be read as an event. No handler sees
	// it: the chain runs with this error as the handler's result, so that the
	// dead letter keeps it and the finalizer acknowledges it.
	Err error

	// Tag belongs to the transport, which finds there what it needs to settle
	// the delivery, such as the connection that brought it. It must be
	// comparable: a delivery with the Receipt and Tag of another is the same.
	Tag any
}

package eds

import (
	"context"
	"slices"
)

// Handler does the work for an event. It is also what a sink is: a
// dead-letter file, a webhook, a stream.
//
// It returns nil when the event is done for good, which is acknowledged. Any
// other result says what to do instead, see Permanent, RetryAfter and
// Redeliver. A handler may run beside
// itself when the App's concurrency allows it, and must expect to see an
// event again after a crash.
//
// ctx ends at the handler's deadline or at the end of a shutdown, never
// because a connection was lost; context.Cause tells which.
type Handler func(ctx context.Context, e *Event) error

// Middleware wraps a Handler in another one. It is called once for each
// place in which it is installed, when the App is built; the Handler that it
// returns is called once per event, from several goroutines.
type Middleware func(next Handler) Handler

// chain wraps h so that the first middleware is the outermost.
func chain(mws []Middleware, h Handler) Handler {
	for _, m := range slices.Backward(mws) {
		h = m(h)
	}
	return h
}

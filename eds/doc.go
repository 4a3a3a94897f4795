// Package eds processes events that a service pushes and wants back
// acknowledged, such that none gets lost.
//
//	app := eds.New(edsv2.New("wss://eds.example", "my-queue", edsv2.APIKey(key)))
//	app.Use(middleware.Logging(log), middleware.Dedupe(store), middleware.Recover())
//	app.Handle("TENANT_ONBOARDED", handlers.Typed(onboard))
//	err := app.Run(ctx)
//
// # The road of an event
//
// A Transport hands over a Delivery: an Event with the receipt that the
// service wants back. Lanes decide when it runs (one after another, unless
// Concurrency says otherwise). The chain of Middleware runs around the
// Handler that is registered for the event's type. The finalizer reads the
// Outcome off the error that the chain returned and settles the delivery:
// exactly once, whatever happened.
//
//	Transport → lanes → finalizer( middleware( … dispatch by type → handler )) → Ack
//
// # What is promised
//
// No event is acknowledged before it was handled or dead-lettered, with two
// exceptions that are said aloud: an event of a type without a handler, and a
// failed event of an App without a dead-letter handler; both would otherwise
// hold up the queue. An event never runs beside itself within one App: a
// redelivery joins the run. (A handler that was given up as stuck cannot be
// stopped, and is not waited for.) Across restarts and machines the dedupe
// middleware sees to that, as far as its store allows.
//
// # Files
//
//   - event, delivery, transport, handler: the nouns
//   - outcome, errors: what a handler can say and what becomes of it
//   - app, options, routes, order: building and running an App
//   - lanes, fifo, receive, workers, watch: when an event runs, and on which goroutine
//   - join: what tells events apart, and what becomes of a redelivery
//   - run, context: one event's processing and its context
//   - finalizer: how it ends
//   - health: what an operator sees
package eds

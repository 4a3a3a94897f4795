// Package edstest is an EDS V2 service for tests: it speaks the protocol over
// a real WebSocket, keeps the promises of the published pages (visibility
// time-out with new receipts, one subscription per queue, idle close,
// buffering while nobody is connected), and breaks them on request.
//
//	srv := edstest.NewTestServer(t, edstest.Queues("orders"))
//	id, _ := srv.Publish("orders", edstest.Event{Type: "TENANT_ONBOARDED"})
//	// ... run the app against srv.URL() with srv.DialContext or after srv.Start() ...
//	err := srv.WaitAcked(ctx, id)
//
// # Three ways to reach it
//
//   - Start listens on a free loopback port, and URL names it.
//   - DialContext connects through memory, without any network. Inside a
//     testing/synctest bubble this makes minutes of protocol pass in no time:
//     create the server in the bubble, hand DialContext to the client, and
//     Close the server before the bubble ends. An idle server is durably
//     blocked.
//   - Server is an http.Handler for a server of your own.
//
// # Faults
//
// Break disturbs the live connection now. OnDial, OnSend and OnReceive plan a
// disturbance for the next dial or frame that fits. Each Fault counts how
// often it happened, so that a test can tell that it tested something:
//
//	cut := srv.OnSend(edstest.Events, edstest.Cut(17))
//	...
//	if cut.Count() != 1 { ... }
//
// # What is decided here
//
// The published pages leave open what follows; the server does this:
//
//   - a queue it does not know is refused with 404, a missing queue with 400;
//   - every acknowledgement that names a receipt is answered, also one that
//     deletes nothing, as Amazon SQS does with an old receipt handle;
//   - an event whose visibility time-out ran out goes before new events, so
//     that an event that is never acknowledged holds up those behind it;
//   - only messages count as traffic for the idle close, control frames do not;
//   - messages larger than 128 KiB from the client are refused with 1009, the
//     limit of an Amazon API Gateway WebSocket.
package edstest

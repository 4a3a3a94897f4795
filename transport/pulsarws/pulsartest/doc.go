// Package pulsartest is a stand-in for Apache Pulsar's WebSocket service, with
// topics and subscriptions behind it: consumers of all four subscription types,
// readers and producers speak to it over a real WebSocket, and it counts,
// redelivers, refuses and falls silent as the service does. On request it
// breaks the connection, too.
//
//	srv := pulsartest.NewTestServer(t, pulsartest.Token("secret"))
//	id, _ := srv.Publish("acme/events/orders", pulsartest.Message{Payload: body})
//	// ... run the app against srv.URL() with srv.DialContext or after srv.Start() ...
//	err := srv.WaitAcked(ctx, "acme/events/orders", "billing", id)
//
// A topic is named "tenant/namespace/topic", or with its domain before; it
// comes into being when somebody first names it. As with Pulsar, a subscription
// that does not exist yet starts behind the last message: connect, or call
// Topic.Subscribe, before you publish, or dial with
// subscriptionInitialPosition=Earliest.
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
// # What is there
//
// Server.Publish, PublishAll and PublishRaw put messages into a topic, PublishRaw
// with an envelope made by hand. Producers with batchingEnabled make batches.
// Topic has Send for frames that belong to no message, SetPartitions, Subscribe,
// Terminate, TrimTo, Unload, Delete, Messages, Backlog and Unacked. WaitAcked,
// WaitIdle, WaitConnected and WaitRecord wait; History tells what happened, one
// Record for each delivery, answer, permit and ending.
//
// # Faults
//
// Break disturbs the live connections now: Drop, Reset, Close, Mute (half open:
// the consumer stays, so that an exclusive subscription answers 409) and Freeze.
// OnDial, OnDeliver and OnCommand plan a disturbance for the next dial, delivery
// or command that fits. Each Fault counts how often it happened:
//
//	busy := srv.OnDial(pulsartest.Refuse(503).With("Retry-After", "3"), pulsartest.Times(2))
//	lost := srv.OnCommand(pulsartest.Ack, pulsartest.Lose(), pulsartest.ForMessage(id))
//
// # Where it is simpler than Pulsar
//
//   - A Shared subscription takes turns entry by entry, be it a message or a batch.
//   - Permits of the inner consumer return one by one, not by halves of its queue.
//   - A redelivery comes exactly after its delay, where Pulsar rounds it; one
//     after an acknowledgement timeout of 1 s takes it up to 2 s.
//   - The active consumer of Failover is the oldest of those with the best
//     priority, on each partition, and stays it until it leaves. In Pulsar one
//     that joins may become it.
//   - Key_Shared places keys by rendezvous hashing; a message without a key is a
//     key of its own. As in Pulsar, a negative acknowledgement holds back later
//     messages of its key only once its delay is over.
//   - A v3 consumer with a pattern sees a new topic at once, not within a minute.
//   - All messages are kept until TrimTo, or RetainMessages, drops them.
//   - A batch counts as one message in Topic.Backlog. There are no schemas, no
//     encryption, no V1 paths, and namespaces need not be made.
//
// What Pulsar does is written down in its client-libraries-websocket page; where
// that is silent or wrong the server does what Pulsar 4.0.8 was seen to do inside
// of a broker: credentials are checked before parameters, a reader without a
// queue gets nothing, and a service that stops sends a close frame without a
// status. Newer and KeepOnBadCommand follow later releases.
package pulsartest

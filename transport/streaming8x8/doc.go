// Package streaming8x8 is what 8x8 Event Streaming adds to Apache Pulsar's
// WebSocket interface, on which it sits: where the hosts are, how topics are
// named, where the key goes, and what an event is. The transport itself is
// package pulsarws, the types of the events are in handlers/eightbyeight.
//
// Facts come from 8x8's pages "Connection Guide", "Authentication", "Message
// Format", "Event Reference" and "Field Reference" at
// https://developer.8x8.com/actions-events/docs/streaming/overview. Where they
// contradict one another, both readings work.
package streaming8x8

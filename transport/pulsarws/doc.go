// Package pulsarws receives events from Apache Pulsar through its WebSocket
// service, and publishes them.
//
// A Consumer shares a durable subscription with other consumers: what it does
// not acknowledge comes again. A Reader reads a topic on its own from a place
// that it keeps itself, in a cursor.Store. Publish is the Handler that writes
// events to a topic.
//
// What the service does is written down in Pulsar's client-libraries-websocket
// page, and where that page is silent or wrong, in the sources of Pulsar 4.0
// (module pulsar-websocket); docs/pulsar.md says where the two differ.
package pulsarws

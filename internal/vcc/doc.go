// Package vcc has the rules of 8x8 Contact Center's event bodies that the
// catalogue of their types (handlers/eightbyeight) and the mapper
// (transport/streaming8x8) share: the names of the types, and how a moment is
// written. Source: "Event Reference" and "Field Reference", 8x8 Event
// Streaming.
package vcc

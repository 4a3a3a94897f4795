// Package handlers makes eds.Handlers of ordinary functions: Typed decodes an
// event's JSON payload into a Go type before it calls yours.
//
// A sink is a handler too; see the packages jsonl and webhook. Package empego
// lists the events of Empego EDS, package eightbyeight those of 8x8 Event
// Streaming.
package handlers

// Package cursor keeps the place of a source that does not keep it for its
// readers, such as a topic that is read through Pulsar's WebSocket Reader.
//
// Three parts work together:
//
//   - a [Store] keeps positions by name over restarts: [Memory], [File], or
//     Redis in package rediscursor;
//   - a [Mark] finds the position below which everything is settled, in
//     whatever order events are settled;
//   - a [Saver] saves the newest such position in the background.
//
// What is saved is never ahead of what was settled. A crash therefore repeats
// the events of the last moments (those above the mark, and those settled
// since the last save, an interval ago at most), and skips none.
package cursor

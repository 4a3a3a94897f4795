// Package wsserver is what the stand-ins for services with a WebSocket share:
// how they are reached over TCP and through memory (Host), a session that can
// be broken at any byte (Session, Breakage), faults that are planned for
// a moment (Rules), and a history that tests look at and wait for (Journal).
// What a service says and promises is its stand-in's own.
//
// A stand-in guards all of its state with one mutex, and hands it to the parts
// that act for it. "The caller holds mu" means that one. Nothing here blocks
// while it is held, and nothing blocks on a mutex for long: an idle stand-in is
// durably blocked in the sense of package testing/synctest.
package wsserver

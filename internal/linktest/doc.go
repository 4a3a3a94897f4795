// Package linktest tests what keeps a transport connected: a scripted service
// that is reached through memory, so that it works in a bubble of
// testing/synctest, and the faults that every transport on internal/wslink
// meets, each injected in the same way whatever the protocol on top.
//
// A transport describes itself in a [Protocol] and calls [Dial], [Connection]
// and [Settle] from a test that says which faults it covers.
package linktest

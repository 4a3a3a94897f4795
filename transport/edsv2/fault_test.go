package edsv2

import "testing"

// fault is a row of the fault table: what may go wrong, by its number there.
type fault struct {
	id   string
	test func(t *testing.T)
}

// TestFault injects each fault that a transport meets, in simulated time.
func TestFault(t *testing.T) {
	for _, group := range [][]fault{dialFaults, connectionFaults, frameFaults, ackFaults, closeFaults} {
		for _, f := range group {
			t.Run(f.id, func(t *testing.T) { bubble(t, f.test) })
		}
	}
}

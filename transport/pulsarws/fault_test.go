package pulsarws

import (
	"testing"

	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/internal/linktest"
)

// fault is a row of the fault table: what may go wrong, by its number there.
type fault struct {
	id   string
	test func(t *testing.T, connect maker)
}

// TestFault injects each fault that Consumer and Reader have in common, in
// simulated time.
func TestFault(t *testing.T) {
	faults.Covers(t, "A1", "A2", "A4", "A6", "A7", "A8", "A9", "A10", "A11", "A12", "A13", "A14", "A15", "A16", "A18", "A20", "A21", "B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12", "B13", "B14", "B15", "B16", "B18", "B19", "B20", "B21", "B22", "B28", "B29", "B31", "B32", "B33", "B36", "B37", "B42", "B43", "B44", "E1", "E5", "E6", "E7", "E9")
	linktest.Dial(t, protocol)
	linktest.Connection(t, protocol)
	linktest.Settle(t, protocol)
	for _, group := range [][]fault{dialFaults, connectionFaults, messageFaults, settleFaults} {
		for _, f := range group {
			t.Run(f.id, func(t *testing.T) { both(t, f.test) })
		}
	}
}

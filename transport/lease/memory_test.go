package lease_test

import (
	"testing"

	"github.com/eventdelivery/eds-go/transport/lease"
	"github.com/eventdelivery/eds-go/transport/lease/leasetest"
)

func TestMemory(t *testing.T) {
	leasetest.Run(t, func(testing.TB) leasetest.Store { return new(lease.Memory) }, leasetest.Features{})
}

func TestWipedMemoryIsFree(t *testing.T) {
	var m lease.Memory
	a, b := m.Holder("queue", "a"), m.Holder("queue", "b")
	for i, l := range []lease.Lease{a, b, a} {
		m.Wipe()
		if c, err := l.Take(t.Context(), lease.Term); !c.Held || err != nil {
			t.Errorf("take %d: %+v, %v", i+1, c, err)
		}
	}
}

package middleware

import (
	"sync"
	"testing"
)

func TestMemoHoldsItsBound(t *testing.T) {
	m := memo[int, int]{max: 10}
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			m.add(i, i)
			if v, ok := m.get(i); ok && v != i {
				t.Errorf("%d is remembered as %d", i, v)
			}
		})
	}
	wg.Wait()
	if n := len(*m.entries.Load()); n != 10 || !m.full() {
		t.Fatalf("%d entries", n)
	}
	for kept := range *m.entries.Load() {
		if !m.add(kept, -1) { // what is there may be replaced
			t.Errorf("%d was refused", kept)
		}
	}
}

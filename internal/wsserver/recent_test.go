package wsserver

import (
	"slices"
	"testing"
)

func TestKeptHoldsTheNewestAndForgetsInOrder(t *testing.T) {
	for _, limit := range []int{0, 1, 3} {
		var forgotten []int
		k := Recent[int]{Limit: limit, Forget: func(x int) { forgotten = append(forgotten, x) }}
		var added []int
		for x := range 20 {
			k.Add(x)
			added = append(added, x)
			if got, want := k.All(), added[max(len(added)-limit, 0):]; !slices.Equal(got, want) {
				t.Fatalf("limit %d: %v, not %v", limit, got, want)
			}
			if got := append(slices.Clone(forgotten), k.items...); !slices.Equal(got, added) {
				t.Fatalf("limit %d: forgot %v of %v", limit, forgotten, added)
			}
			if len(forgotten)%(limit+1) != 0 {
				t.Fatalf("limit %d: forgot %d, not in bulk", limit, len(forgotten))
			}
			if len(k.items) > 2*limit {
				t.Fatalf("limit %d: holds %d", limit, len(k.items))
			}
		}
	}
}

func TestFIFOKeepsItsOrderAndItsMemory(t *testing.T) {
	var f FIFO[int]
	in, out := 0, 0
	for round := range 100 {
		for range 50 + round%7 {
			f.Push(in)
			in++
		}
		for range 50 + round%5 {
			if first, ok := f.Peek(); ok && first != out {
				t.Fatalf("first is %d, not %d", first, out)
			}
			x, ok := f.Pop()
			if !ok {
				t.Fatalf("empty at %d of %d", out, in)
			}
			if x != out {
				t.Fatalf("got %d, not %d", x, out)
			}
			out++
		}
		if f.Len() != in-out || len(f.All()) != in-out {
			t.Fatalf("length %d, not %d", f.Len(), in-out)
		}
	}
	if cap(f.items) > 20*(in-out) {
		t.Errorf("memory of %d for %d", cap(f.items), in-out)
	}
	for f.Len() > 0 {
		f.Pop()
	}
	if x, ok := f.Pop(); ok || x != 0 {
		t.Errorf("an empty queue gave %d", x)
	}
}

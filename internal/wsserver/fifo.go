package wsserver

// FIFO is a queue that reuses its memory. The zero value is empty.
type FIFO[T any] struct {
	items []T
	head  int
}

// Len is how many are queued.
func (f *FIFO[T]) Len() int { return len(f.items) - f.head }

// Push puts x behind all others.
func (f *FIFO[T]) Push(x T) { f.items = append(f.items, x) }

// Peek returns the first; false when there is none.
func (f *FIFO[T]) Peek() (x T, ok bool) {
	if f.head == len(f.items) {
		return x, false
	}
	return f.items[f.head], true
}

// Pop takes the first; false when there is none.
func (f *FIFO[T]) Pop() (x T, ok bool) {
	if x, ok = f.Peek(); !ok {
		return x, false
	}
	var zero T
	f.items[f.head] = zero
	f.head++
	// Move what is left once the free half is the larger one.
	if f.head > len(f.items)/2 && f.head > 32 || f.head == len(f.items) {
		n := copy(f.items, f.items[f.head:])
		clear(f.items[n:])
		f.items, f.head = f.items[:n], 0
	}
	return x, true
}

// All returns what is queued, to be reordered in place.
func (f *FIFO[T]) All() []T { return f.items[f.head:] }

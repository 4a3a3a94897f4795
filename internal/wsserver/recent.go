package wsserver

// Recent holds the newest of what was added to it.
type Recent[T any] struct {
	// Limit is how many there are at least, and half of how many at most. Zero
	// keeps nothing.
	Limit int
	// Forget, when set, is called with each item that is forgotten.
	Forget func(T)

	items []T
}

// Add adds x, and forgets old items in bulk, so that moving the others costs
// little.
func (r *Recent[T]) Add(x T) {
	r.items = append(r.items, x)
	if len(r.items) <= 2*r.Limit {
		return
	}
	cut := len(r.items) - r.Limit
	if r.Forget != nil {
		for _, old := range r.items[:cut] {
			r.Forget(old)
		}
	}
	n := copy(r.items, r.items[cut:])
	clear(r.items[n:])
	r.items = r.items[:n]
}

// All returns a copy of the newest Limit items.
func (r *Recent[T]) All() []T {
	return append([]T(nil), r.items[max(len(r.items)-r.Limit, 0):]...)
}

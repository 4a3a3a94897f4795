package wsserver

// Kept holds the newest of what was added to it.
type Kept[T any] struct {
	// Limit is how many there are at least, and half of how many at most. Zero
	// keeps nothing.
	Limit int
	// Forget, when set, is called with each item that is forgotten.
	Forget func(T)

	items []T
}

// Add adds x, and forgets old items in bulk, so that moving the others costs
// little.
func (k *Kept[T]) Add(x T) {
	k.items = append(k.items, x)
	if len(k.items) <= 2*k.Limit {
		return
	}
	cut := len(k.items) - k.Limit
	if k.Forget != nil {
		for _, old := range k.items[:cut] {
			k.Forget(old)
		}
	}
	n := copy(k.items, k.items[cut:])
	clear(k.items[n:])
	k.items = k.items[:n]
}

// All returns a copy of the newest Limit items.
func (k *Kept[T]) All() []T {
	return append([]T(nil), k.items[max(len(k.items)-k.Limit, 0):]...)
}

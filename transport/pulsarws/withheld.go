package pulsarws

import (
	"sync"

	"github.com/eventdelivery/eds-go/transport/cursor"
)

// maxAhead is how many messages may be settled above the position, because one
// before them is not, until a Reader asks for no more: they have to be
// remembered, at about 100 bytes each (cursor.BenchmarkMarkAhead).
const maxAhead = 100_000

// withheld are the answers that a Reader owes the service for what was settled
// too far ahead of its position. The zero value is ready.
type withheld struct {
	mu   sync.Mutex
	owed []*delivered
}

// keep takes d when too much is settled ahead of mark.
func (w *withheld) keep(mark *cursor.Mark, d *delivered) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	// Inside of the lock: who moves the mark comes to release afterwards, and
	// finds what was kept before.
	if _, settled := mark.Above(); settled <= maxAhead {
		return false
	}
	w.owed = append(w.owed, d)
	return true
}

// release returns what was kept.
func (w *withheld) release() []*delivered {
	w.mu.Lock()
	defer w.mu.Unlock()
	owed := w.owed
	w.owed = nil
	return owed
}

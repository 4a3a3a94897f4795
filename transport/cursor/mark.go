package cursor

import "sync"

// Arrival is what a Mark knows of an id that arrives.
type Arrival uint8

const (
	// Fresh is an id that the Mark does not know: deliver it.
	Fresh Arrival = iota
	// Open is one that arrived before and is not settled: it may still be in
	// work, or was left for redelivery. Deliver it; who still works on it
	// joins the two.
	Open
	// Settled is one that needs nothing any more.
	Settled
)

func (a Arrival) String() string {
	return [...]string{"fresh", "open", "settled"}[min(a, Settled)]
}

// Mark finds the low-water mark of a source whose entries arrive in an order
// that never changes and are settled in any: the highest id such that it, and
// all that arrived before it, is settled. Reading on after that id skips
// nothing. Create it with NewMark; its methods may be called concurrently.
//
// It holds what lies above the mark, at constant cost for each entry. An entry
// that is never settled holds up the mark for ever, and what follows it is
// held in memory: it needs a Rewind, on a new connection, to come again.
//
// Ids are opaque: the Mark knows their order from their arrival alone. An id
// below the mark that arrives again is therefore Fresh.
type Mark struct {
	moved func(position string)

	mu       sync.Mutex
	position string
	entries  ring
	index    map[string]uint64 // of all entries in the ring that are not gone
	low      uint64            // all entries before it are at the mark or below
	due      uint64            // the first entry that the connection has yet to bring again
	open     int               // entries that are not settled
	settled  int               // entries above the mark that are
}

// NewMark returns a Mark at position, such as a Store has loaded it; "" is
// before all ids. Each time the mark moves, moved is called with the new
// position: in order, with the Mark locked, so that it must be quick and not
// use the Mark. Saver.Advance is made for that. Nil is fine.
func NewMark(position string, moved func(position string)) *Mark {
	if moved == nil {
		moved = func(string) {}
	}
	return &Mark{position: position, moved: moved, index: make(map[string]uint64)}
}

// Position returns the mark; "" when nothing was settled yet.
func (m *Mark) Position() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.position
}

// Above counts the entries above the mark: those that are not settled, and
// those that are and wait for one before them.
func (m *Mark) Above() (open, settled int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open, m.settled
}

// Arrived takes note of the next id of the connection and says what is known
// of it. The position itself is Settled: whether a source brings again the id
// after which it was told to start need not be known.
//
// After a Rewind, ids come again in their order. One that is passed over does
// not exist any more (its retention is over), and can never be read again, so
// the mark does not wait for it: missing counts those that were not settled.
// They are lost unless they are still in work. In this way Arrived may move
// the mark.
//
// The empty id is Fresh and is not kept.
func (m *Mark) Arrived(id string) (a Arrival, missing int) {
	if id == "" {
		return Fresh, 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, known := m.index[id]
	switch {
	case known && n < m.due:
		// It came twice on one connection. That says nothing of the others.
		return m.entries.at(n).arrival(), 0
	case known:
		a = m.entries.at(n).arrival()
		missing = m.drop(n)
		m.due = n + 1
	case id == m.position:
		return Settled, 0
	default:
		missing = m.drop(m.entries.end)
		m.index[id] = m.entries.push(entry{id: id, state: isOpen})
		m.due = m.entries.end
		m.open++
	}
	m.advance()
	return a, missing
}

// Settle notes that id needs nothing any more, and returns the mark and
// whether this has moved it. Where several goroutines settle, the results of
// two calls may be seen in the wrong order; the function given to NewMark sees
// them in the right one. An id that is not known, or settled, changes nothing.
func (m *Mark) Settle(id string) (position string, moved bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, known := m.index[id]
	if !known {
		return m.position, false
	}
	e := m.entries.at(n)
	if e.state != isOpen {
		return m.position, false
	}
	e.state = isSettled
	m.open--
	m.settled++
	moved = m.advance()
	return m.position, moved
}

// Rewind returns the position after which a new connection must start, "" for
// where the reader was first told to. All that lies above it is expected to
// come again on that connection, in its order. Call it when the old connection
// brings nothing any more.
func (m *Mark) Rewind() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.due = m.low
	m.free()
	return m.position
}

// drop forgets the open entries that are due before the entry end, and counts
// them. A settled one stays: it holds up nothing, and may become the mark.
func (m *Mark) drop(end uint64) (missing int) {
	for n := m.due; n < end; n++ {
		if e := m.entries.at(n); e.state == isOpen {
			delete(m.index, e.id)
			*e = entry{state: isGone}
			m.open--
			missing++
		}
	}
	return missing
}

// advance moves the mark as far as it goes, and tells whether it did.
func (m *Mark) advance() bool {
	before := m.position
	for ; m.low < m.entries.end; m.low++ {
		e := m.entries.at(m.low)
		if e.state == isOpen {
			break
		}
		if e.state == isSettled {
			m.settled--
			m.position = e.id
		}
	}
	m.free()
	if m.position == before {
		return false
	}
	m.moved(m.position)
	return true
}

// free lets go of what is at the mark or below and has come again: whatever
// is still due must be known when it comes.
func (m *Mark) free() {
	for m.entries.first < min(m.low, m.due) {
		if e := m.entries.pop(); e.state != isGone {
			delete(m.index, e.id)
		}
	}
	if m.entries.shrink() {
		m.index = make(map[string]uint64)
	}
}

package cursor

// entry is an id that arrived.
type entry struct {
	id    string
	state state
}

type state uint8

const (
	isOpen state = iota
	isSettled
	isGone // does not come again, and is passed over
)

func (e *entry) arrival() Arrival {
	if e.state == isSettled {
		return Settled
	}
	return Open
}

// ring holds entries by their number. Numbers are never used again.
type ring struct {
	first, end uint64  // it holds the entries from first up to end
	slots      []entry // a power of two of them, or none
}

func (r *ring) at(n uint64) *entry { return &r.slots[n&uint64(len(r.slots)-1)] }

// push adds an entry at the end and returns its number.
func (r *ring) push(e entry) uint64 {
	if r.end-r.first == uint64(len(r.slots)) {
		grown := ring{first: r.first, end: r.end, slots: make([]entry, max(2*len(r.slots), smallRing))}
		for n := r.first; n < r.end; n++ {
			*grown.at(n) = *r.at(n)
		}
		*r = grown
	}
	*r.at(r.end) = e
	r.end++
	return r.end - 1
}

// pop takes the first entry out.
func (r *ring) pop() entry {
	e := r.at(r.first)
	gone := *e
	*e = entry{}
	r.first++
	return gone
}

const smallRing = 64

// shrink lets go of room that a jam of entries has left, once all are gone.
func (r *ring) shrink() bool {
	const large = 16 * smallRing
	if r.first < r.end || len(r.slots) <= large {
		return false
	}
	r.slots = nil
	return true
}

package spool

import (
	"container/heap"
	"slices"
	"time"
)

// entry is what memory has of a recorded event.
type entry struct {
	seq      uint64
	bytes    int64
	recorded time.Time
	due      time.Time // while it pauses
	kind     *kind
	attempts uint32
	deaths   uint32
}

// kind counts the events of a type.
type kind struct {
	name string
	n    int
}

// mustBeAlone tells of an event that may be what ends processes.
func (e *entry) mustBeAlone() bool { return e.deaths >= 2 }

// index has every event of the backlog in one of three places: ready, paused,
// or taken by a Transport.
type index struct {
	kinds  map[string]*kind
	bytes  int64
	ready  bySeq
	paused byDue
	taken  map[uint64]*entry
	alone  bool // what is taken must be alone

	// retried says that the event before was one whose pause had ended: then
	// it is the turn of the others.
	retried bool
}

func newIndex() index { return index{kinds: make(map[string]*kind), taken: make(map[uint64]*entry)} }

func (x *index) len() int { return len(x.ready) + len(x.paused) + len(x.taken) }

// add counts a new entry. Where it belongs, the caller says next.
func (x *index) add(seq uint64, kindName string, bytes int64, recorded time.Time) *entry {
	k := x.kinds[kindName]
	if k == nil {
		k = &kind{name: kindName}
		x.kinds[kindName] = k
	}
	k.n++
	x.bytes += bytes
	return &entry{seq: seq, bytes: bytes, recorded: recorded, kind: k}
}

// remove forgets an entry, which neither list has any more.
func (x *index) remove(e *entry) {
	x.leave(e)
	x.bytes -= e.bytes
	if e.kind.n--; e.kind.n == 0 {
		delete(x.kinds, e.kind.name)
	}
}

// drop removes the entry with this number, unless it is taken or gone. Where
// the oldest goes first, it is at hand; else all have to be looked at.
func (x *index) drop(seq uint64) (dropped bool) {
	var e *entry
	has := func(e *entry) bool { return e.seq == seq }
	if i := slices.IndexFunc(x.ready, has); i >= 0 {
		e = x.ready[i]
		heap.Remove(&x.ready, i)
	} else if i := slices.IndexFunc(x.paused, has); i >= 0 {
		e = x.paused[i]
		heap.Remove(&x.paused, i)
	} else {
		return false
	}
	x.remove(e)
	return true
}

// leave notes that an entry is no longer taken.
func (x *index) leave(e *entry) {
	delete(x.taken, e.seq)
	if len(x.taken) == 0 {
		x.alone = false
	}
}

func (x *index) putReady(e *entry) { heap.Push(&x.ready, e) }

func (x *index) putPaused(e *entry, due time.Time) {
	e.due = due
	heap.Push(&x.paused, e)
}

// take returns the next entry to hand out, or nil. New events and those whose
// pause has ended take turns, so that neither waits for the other's end.
func (x *index) take(now time.Time) *entry {
	if x.alone {
		return nil
	}
	due := len(x.paused) > 0 && !x.paused[0].due.After(now)
	retry := due && (len(x.ready) == 0 || !x.retried)
	if !retry && len(x.ready) == 0 {
		return nil
	}
	var next *entry
	if retry {
		next = x.paused[0]
	} else {
		next = x.ready[0]
	}
	if next.mustBeAlone() {
		if len(x.taken) > 0 {
			return nil
		}
		x.alone = true
	}
	if retry {
		heap.Pop(&x.paused)
	} else {
		heap.Pop(&x.ready)
	}
	x.retried = retry
	x.taken[next.seq] = next
	return next
}

// nextDue is when the next pause ends; zero when nothing pauses.
func (x *index) nextDue() time.Time {
	if len(x.paused) == 0 {
		return time.Time{}
	}
	return x.paused[0].due
}

// bySeq is a heap in the order of recording.
type bySeq []*entry

func (h bySeq) Len() int           { return len(h) }
func (h bySeq) Less(i, j int) bool { return h[i].seq < h[j].seq }
func (h bySeq) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *bySeq) Push(x any)        { *h = append(*h, x.(*entry)) } //nolint:forcetypeassert // ours alone
func (h *bySeq) Pop() any          { return pop((*[]*entry)(h)) }

// byDue is a heap by the end of the pause.
type byDue []*entry

func (h byDue) Len() int { return len(h) }
func (h byDue) Less(i, j int) bool {
	if h[i].due.Equal(h[j].due) {
		return h[i].seq < h[j].seq
	}
	return h[i].due.Before(h[j].due)
}
func (h byDue) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *byDue) Push(x any)   { *h = append(*h, x.(*entry)) } //nolint:forcetypeassert // ours alone
func (h *byDue) Pop() any     { return pop((*[]*entry)(h)) }

func pop(h *[]*entry) *entry {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}

package pulsartest

import (
	"container/heap"
)

// byEntry is a heap of entries, each in it once.
type byEntry struct {
	entries []int64
	set     map[int64]struct{}
}

func (b *byEntry) add(entry int64) {
	if _, ok := b.set[entry]; ok {
		return
	}
	b.set[entry] = struct{}{}
	heap.Push(b, entry)
}

func (b *byEntry) take() int64 {
	entry := heap.Pop(b).(int64)
	delete(b.set, entry)
	return entry
}

func (b *byEntry) Len() int { return len(b.entries) }

func (b *byEntry) Less(i, j int) bool { return b.entries[i] < b.entries[j] }

func (b *byEntry) Swap(i, j int) { b.entries[i], b.entries[j] = b.entries[j], b.entries[i] }

func (b *byEntry) Push(x any) { b.entries = append(b.entries, x.(int64)) }

func (b *byEntry) Pop() any {
	last := len(b.entries) - 1
	entry := b.entries[last]
	b.entries = b.entries[:last]
	return entry
}

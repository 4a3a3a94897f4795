package middleware

import (
	"maps"
	"sync"
	"sync/atomic"
)

// memo remembers what was computed for the few keys that recur with every
// event: span names per queue, attribute sets per outcome. Reading takes no
// lock. It holds at most max keys, since keys come from the wire; what comes
// after is computed each time.
type memo[K comparable, V any] struct {
	max     int
	entries atomic.Pointer[map[K]V]
	mu      sync.Mutex // serialises add
	making  sync.Mutex // serialises getOrAdd
}

func (m *memo[K, V]) get(key K) (V, bool) {
	entries := m.entries.Load()
	if entries == nil {
		var none V
		return none, false
	}
	v, ok := (*entries)[key]
	return v, ok
}

// full spares the callers of add the work, once keys come without end.
func (m *memo[K, V]) full() bool {
	entries := m.entries.Load()
	return m.max <= 0 || entries != nil && len(*entries) >= m.max
}

// add returns false when the memo is full. The key must not be part of a
// larger string that would be kept alive by it.
func (m *memo[K, V]) add(key K, v V) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	var next map[K]V
	if old := m.entries.Load(); old != nil {
		if _, there := (*old)[key]; !there && len(*old) >= m.max {
			return false
		}
		next = maps.Clone(*old)
	} else {
		next = make(map[K]V)
	}
	next[key] = v
	m.entries.Store(&next)
	return true
}

// getOrAdd returns the value of key, which it makes when there is none: once
// for each key. When only one place is left, that is for the key rest, which
// stands for all that come after.
func (m *memo[K, V]) getOrAdd(key, rest K, fresh func(K) V) V {
	if v, ok := m.get(key); ok {
		return v
	}
	m.making.Lock()
	defer m.making.Unlock()
	if m.size() >= m.max-1 {
		key = rest
	}
	v, ok := m.get(key)
	if !ok {
		v = fresh(key)
		m.add(key, v)
	}
	return v
}

func (m *memo[K, V]) size() int {
	if entries := m.entries.Load(); entries != nil {
		return len(*entries)
	}
	return 0
}

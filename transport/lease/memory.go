package lease

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Memory keeps leases for the receivers of one process, and for tests. The zero
// value is empty and ready. It may be used concurrently.
type Memory struct {
	mu    sync.Mutex
	taken map[string]record
}

type record struct {
	by   *holder
	ends time.Time
}

// Holder returns a new holder of the lease called name, that calls itself self.
// Each receiver needs one of its own.
func (m *Memory) Holder(name, self string) Lease { return &holder{store: m, name: name, self: self} }

// Wipe makes it forget all leases, as a server does that keeps nothing on disk
// and is started anew.
func (m *Memory) Wipe() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken = nil
}

type holder struct {
	store      *Memory
	name, self string
}

// Take implements Lease.
func (h *holder) Take(ctx context.Context, term time.Duration) (Claim, error) {
	if ctx.Err() != nil {
		return Claim{}, context.Cause(ctx)
	}
	if term < time.Millisecond {
		return Claim{}, fmt.Errorf("lease: a term of %v is too short", term)
	}
	m := h.store
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if r, ok := m.taken[h.name]; ok && r.by != h && now.Before(r.ends) {
		return Claim{Holder: r.by.self, Left: r.ends.Sub(now)}, nil
	}
	if m.taken == nil {
		m.taken = make(map[string]record)
	}
	m.taken[h.name] = record{h, now.Add(term)}
	return Claim{Held: true}, nil
}

// Release implements Lease.
func (h *holder) Release(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m := h.store
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.taken[h.name].by == h {
		delete(m.taken, h.name)
	}
	return nil
}

package cursor

import (
	"context"
	"fmt"
	"sync"
)

// Memory is a Store that forgets everything at the end of the process: a
// restart begins where the reader is told to start, while a reconnect goes on
// where it was. Create it with NewMemory.
type Memory struct {
	mu        sync.Mutex
	positions map[string]string
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{positions: make(map[string]string)} }

// Load implements Store.
func (m *Memory) Load(ctx context.Context, name string) (string, error) {
	if ctx.Err() != nil {
		return "", failed("load", name, context.Cause(ctx))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.positions[name], nil
}

// Save implements Store.
func (m *Memory) Save(ctx context.Context, name, position string) error {
	if ctx.Err() != nil {
		return failed("save", name, context.Cause(ctx))
	}
	if position == "" {
		return failed("save", name, ErrEmpty)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.positions[name] = position
	return nil
}

func failed(what, name string, err error) error {
	return fmt.Errorf("cursor: %s %q: %w", what, name, err)
}

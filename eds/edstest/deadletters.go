package edstest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/eventdelivery/eds-go/eds"
)

// DeadLetters keeps dead letters in memory: hand its Handle to
// middleware.DeadLetter as the sink. The zero value is ready. Its methods may
// be called from any goroutine.
type DeadLetters struct {
	mu      sync.Mutex
	letters []DeadLetter
	failing error
	refused int
	changed chan struct{} // closed at the next change; nil while nobody waits
}

// DeadLetter is an event that could not be handled.
type DeadLetter struct {
	// Event is a copy of what the sink was given.
	Event eds.Event
	// Error is the failure's text: the attribute "deadlettererror", in which
	// middleware.DeadLetter hands it over. Empty when the event has none.
	Error string
}

// Handle is an eds.Handler that keeps the event.
func (d *DeadLetters) Handle(_ context.Context, e *eds.Event) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failing != nil {
		d.refused++
		d.notify()
		return d.failing
	}
	kept := *e
	kept.Payload = bytes.Clone(e.Payload)
	kept.Attributes = maps.Clone(e.Attributes)
	d.letters = append(d.letters, DeadLetter{Event: kept, Error: e.Attributes["deadlettererror"]})
	d.notify()
	return nil
}

// Fail makes Handle return err and keep nothing, as a full disk does, until
// Fail(nil).
func (d *DeadLetters) Fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failing = err
}

// Refused tells how many events were not kept because of Fail.
func (d *DeadLetters) Refused() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.refused
}

// All returns the dead letters so far, in the order in which they came.
func (d *DeadLetters) All() []DeadLetter {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.letters)
}

// Wait waits for the event of this id and returns it; the first one when it
// came more than once. The error, when ctx ends first, wraps ctx's cause.
func (d *DeadLetters) Wait(ctx context.Context, id string) (DeadLetter, error) {
	for {
		d.mu.Lock()
		for _, letter := range d.letters {
			if letter.Event.ID == id {
				d.mu.Unlock()
				return letter, nil
			}
		}
		if d.changed == nil {
			d.changed = make(chan struct{})
		}
		changed, n := d.changed, len(d.letters)
		d.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return DeadLetter{}, fmt.Errorf("edstest: event %q is not among the %d dead letters: %w", id, n, context.Cause(ctx))
		}
	}
}

// notify wakes those who wait. The caller holds mu.
func (d *DeadLetters) notify() {
	if d.changed != nil {
		close(d.changed)
		d.changed = nil
	}
}

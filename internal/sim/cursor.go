package sim

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
	"github.com/eventdelivery/eds-go/transport/cursor"
)

// Cursor is where readers keep their position. It outlives them, writes the
// history, and misbehaves as Store does.
type Cursor struct {
	world *World

	mu       sync.Mutex
	down     bool
	position string
	covered  int // how many events any position was above so far
	failed   map[*Process]bool
	calls    passes
}

var errCursor = errors.New("sim: the cursor is unavailable")

// Down makes every call fail from now on, or work again.
func (c *Cursor) Down(down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = down
}

// For returns the cursor as the process sees it: with its crash points, and
// fenced once the process is dead.
func (c *Cursor) For(p *Process) cursor.Store { return &cursorHandle{c, p} }

type cursorHandle struct {
	cursor  *Cursor
	process *Process
}

// Load implements cursor.Store.
func (h *cursorHandle) Load(ctx context.Context, _ string) (position string, err error) {
	_, err = h.cursor.call(ctx, h.process, "load", "", func() { position = h.cursor.position })
	return position, err
}

// Save implements cursor.Store.
func (h *cursorHandle) Save(ctx context.Context, _, position string) error {
	c, p := h.cursor, h.process
	if err := p.reach(BeforeSave, position); err != nil {
		return err
	}
	late, err := c.call(ctx, p, "save", position, func() { c.apply(p, position) })
	c.mu.Lock()
	if c.failed == nil {
		c.failed = map[*Process]bool{}
	}
	c.failed[p] = err != nil
	c.mu.Unlock()
	if late > 0 {
		c.world.wait.Go(func() {
			time.Sleep(late)
			if c.mu.Lock(); !p.Dead() {
				c.apply(p, position)
			}
			c.mu.Unlock()
		})
	}
	if err != nil {
		return err
	}
	return p.reach(AfterSave, position)
}

// call performs one operation with the faults that are due. It returns after
// how long one that failed is done all the same; 0 for never.
func (c *Cursor) call(ctx context.Context, p *Process, op, position string, do func()) (late time.Duration, err error) {
	if p.Dead() {
		return 0, errCrashed
	}
	n := c.calls.next(p.Name, op)
	var f StoreFault
	if s := c.world.Scenario; s.StoreCall != nil && !c.world.quiet() {
		f = s.StoreCall(p.Name, op, position, n)
	}
	if !sleep(ctx, f.Latency+c.world.Seed.Tie(op, p.Name, n)) {
		return 0, context.Cause(ctx)
	}
	fault := func(what string) { p.record(history.Entry{Op: history.Fault, Result: op + what}) }
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case p.Dead():
		return 0, errCrashed
	case c.down || f.Refuse:
		fault(" refused")
		return 0, errCursor
	case f.Late > 0:
		fault(" late")
		return f.Late, errCursor
	}
	do()
	if f.LoseReply {
		fault(" reply lost")
		return 0, errCursor
	}
	return 0, nil
}

// apply replaces the position, and tells the history which events it is above
// now. The caller holds mu.
func (c *Cursor) apply(p *Process, position string) {
	below, before := c.world.Topic.upTo(position), c.world.Topic.upTo(c.position)
	c.position = position
	if len(below) < len(before) {
		// A save that was late, or else one that should not have been.
		p.record(history.Entry{Op: history.StoreFault, Result: "position went back"})
	}
	for _, e := range below[min(c.covered, len(below)):] {
		p.record(history.Entry{Op: history.Saved, Event: e.id})
	}
	c.covered = max(c.covered, len(below))
}

// behind is how many events lie above the position.
func (c *Cursor) behind() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.world.Topic.all()) - len(c.world.Topic.upTo(c.position))
}

// ended looks at what a process has left that ended properly: what it handled
// above its position is repeated, for which there must be a reason.
func (c *Cursor) ended(p *Process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	settled, effects := map[string]bool{}, map[string]bool{}
	for _, e := range c.world.Log.Entries() {
		switch {
		case e.Op == history.Effect:
			effects[e.Event] = true
		case e.Op == history.Park, e.Op == history.End && e.Result == history.OK:
			settled[e.Event] = true
		}
	}
	reason := ""
	if c.failed[p] {
		reason = "the last position was not saved"
	}
	for _, e := range c.world.Topic.all()[len(c.world.Topic.upTo(c.position)):] {
		if reason == "" && e.kind == handledKind && !settled[e.id] {
			reason = "the position is held up by " + e.id
		}
		if reason != "" && effects[e.id] {
			c.world.Log.Record(history.Entry{Actor: p.Name, Op: history.StoreFault, Queue: p.Queue, Event: e.id, Result: reason})
		}
	}
}

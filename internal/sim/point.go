package sim

import (
	"fmt"
	"sync"
)

// Point is a place in the life of an event, reached by what surrounds the code
// under test: its store, its handler, its transport.
type Point string

// The points at which a process can be made to crash.
const (
	BeforeClaim  Point = "before_claim"
	AfterClaim   Point = "after_claim"
	BeforeEffect Point = "before_effect"
	AfterEffect  Point = "after_effect"
	BeforeCommit Point = "before_commit"
	AfterCommit  Point = "after_commit"
	BeforeAck    Point = "before_ack"
	AfterAck     Point = "after_ack"
)

// The points of a reader, which are reached for a position and not for an
// event.
const (
	BeforeSave Point = "before_save"
	AfterSave  Point = "after_save"
)

// SavePoints are those of readers beside Points.
var SavePoints = []Point{BeforeSave, AfterSave}

// Points are all crash points, in the order in which an event passes them.
var Points = []Point{BeforeClaim, AfterClaim, BeforeEffect, AfterEffect, BeforeCommit, AfterCommit, BeforeAck, AfterAck}

// passes counts how often an event has come to a point, over all processes.
type passes struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *passes) next(parts ...any) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	key := fmt.Sprintln(parts...) // which keeps the parts apart
	c.n[key]++
	return c.n[key]
}

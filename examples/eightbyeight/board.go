package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers/eightbyeight"
	"github.com/eventdelivery/eds-go/middleware"
)

// board is the business logic: what a supervisor wants to see.
type board struct {
	mu     sync.Mutex
	calls  map[eightbyeight.Text]*call
	agents map[eightbyeight.Text]string
	dead   []string
}

type call struct {
	caller         eightbyeight.Text
	began          time.Time
	agent, outcome eightbyeight.Text
	lasted         time.Duration
	steps          []string
}

func newBoard() *board {
	return &board{calls: map[eightbyeight.Text]*call{}, agents: map[eightbyeight.Text]string{}}
}

// call hands out the call of an interaction. The caller holds mu.
func (b *board) call(f *eightbyeight.InteractionFields, step string) *call {
	c := b.calls[f.InteractionGUID]
	if c == nil {
		c = new(call)
		b.calls[f.InteractionGUID] = c
	}
	c.steps = append(c.steps, step)
	return c
}

func (b *board) created(_ context.Context, e *eightbyeight.InteractionCreated) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.call(&e.InteractionFields, "created")
	// A name of digits comes as a number, and is a text all the same.
	c.caller, c.began = e.AttachedData.Text(eightbyeight.KeyCallingName), e.Time()
	return nil
}

func (b *board) accepted(_ context.Context, e *eightbyeight.InteractionAccepted) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.call(&e.InteractionFields, "accepted").agent = e.AgentID
	return nil
}

func (b *board) deleted(_ context.Context, e *eightbyeight.InteractionDeleted) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.call(&e.InteractionFields, "deleted")
	c.lasted = e.Time().Sub(c.began)
	c.outcome = e.DispositionCode
	if e.CallHangupReason != eightbyeight.HangupNormal {
		c.outcome = e.CallHangupReason
	}
	return nil
}

func (b *board) other(_ context.Context, event *eds.Event, e *eightbyeight.Interaction) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.call(&e.InteractionFields, event.Type)
	return nil
}

func (b *board) status(_ context.Context, e *eightbyeight.AgentStatusChange) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	state := "in state " + string(e.NewState)
	switch e.NewState {
	case eightbyeight.AgentAvailable:
		state = "available"
	case eightbyeight.AgentLoggedOut:
		state = "logged out"
	}
	b.agents[e.AgentID] = state
	return nil
}

func (b *board) deadLetter(_ context.Context, e *eds.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dead = append(b.dead, e.Attributes[middleware.KeyError])
	return nil
}

func (b *board) print(out io.Writer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, guid := range slices.Sorted(maps.Keys(b.calls)) {
		c := b.calls[guid]
		fmt.Fprintf(out, "%s  %-14s agent %-4s %4s  %-22s %v\n", guid, c.caller, c.agent, c.lasted, c.outcome, c.steps)
	}
	for _, id := range slices.Sorted(maps.Keys(b.agents)) {
		fmt.Fprintf(out, "%s is %s\n", id, b.agents[id])
	}
	for _, why := range b.dead {
		fmt.Fprintf(out, "dead letter: %s\n", why)
	}
}

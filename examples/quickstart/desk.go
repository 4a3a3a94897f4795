package main

import (
	"context"
	"errors"
	"sync"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers/empego"
)

// desk is the business logic: it does its work and knows nothing of receipts,
// duplicates or connections.
type desk struct {
	mu     sync.Mutex
	runs   map[string]int // how often each tenant or invoice was done
	panics int
}

func (d *desk) onboard(_ context.Context, t empego.TenantOnboarded) error {
	d.done(t.TenantID)
	return nil
}

type invoice struct {
	Number string `json:"number"`
	Cents  int64  `json:"cents"`
}

func (i invoice) Validate() error {
	if i.Number == "" {
		return errors.New("an invoice needs a number")
	}
	return nil
}

func (d *desk) invoice(_ context.Context, e *eds.Event, i invoice) error {
	if i.Number == panicsOnce && d.firstTime() {
		panic("nil pointer or whatever else can happen")
	}
	d.done(i.Number)
	return nil
}

func (d *desk) firstTime() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.panics++
	return d.panics == 1
}

func (d *desk) done(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.runs[id]++
}

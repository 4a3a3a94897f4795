package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/cloudevent"
)

// errEnough ends the command when the last event that was asked for is
// acknowledged.
var errEnough = errors.New("enough events")

// printer writes one line per event. print is its handler.
type printer struct {
	out   io.Writer
	limit uint64 // 0: none
	end   context.CancelCauseFunc
	log   *slog.Logger

	mu      sync.Mutex
	line    []byte
	printed uint64
	failed  error // the first write error; nothing is printed after it

	settled sync.Mutex
	acked   uint64

	// noReceipt remembers what cannot be acknowledged, and so comes again
	// whatever we do.
	noReceipt *lru.Cache[string, struct{}]
}

func (p *printer) print(ctx context.Context, e *eds.Event) error {
	if d, ok := eds.DeliveryFromContext(ctx); ok && d.Receipt == "" && p.seenWithoutReceipt(e) {
		return eds.ErrDuplicate
	}
	if err := p.write(e); err != nil {
		return err
	}
	if p.limit > 0 {
		eds.OnSettled(ctx, p.count)
	}
	return nil
}

// write prints one event's line, all of it or none that counts.
func (p *printer) write(e *eds.Event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed != nil {
		return eds.Redeliver(p.failed)
	}
	if p.limit > 0 && p.printed == p.limit {
		return eds.Redeliver(errEnough)
	}
	line := *e
	line.Attempt = 0 // says something of our own bookkeeping only
	p.line = append(cloudevent.Append(p.line[:0], &line), '\n')
	if _, err := p.out.Write(p.line); err != nil {
		p.failed = &outputError{err}
		p.end(p.failed)
		return eds.Redeliver(p.failed)
	}
	p.printed++
	return nil
}

// count ends the command once all lines that were asked for are acknowledged.
func (p *printer) count(s eds.Settled) {
	if s.Outcome != eds.Handled {
		return
	}
	p.settled.Lock()
	defer p.settled.Unlock()
	p.acked++
	if p.acked == p.limit {
		p.end(errEnough)
	}
}

func (p *printer) seenWithoutReceipt(e *eds.Event) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.noReceipt == nil {
		p.noReceipt, _ = lru.New[string, struct{}](10_000)
	}
	seen, _ := p.noReceipt.ContainsOrAdd(e.ID, struct{}{})
	p.log.Warn("an event without a receipt cannot be acknowledged", "event.id", e.ID, "event.type", e.Type, "printed_before", seen)
	return seen
}

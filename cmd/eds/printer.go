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
var errEnough = errors.New("enough events were printed")

// printer writes one line per event. print is its handler, and count, where
// there is a limit, the outermost middleware.
type printer struct {
	out   io.Writer
	limit uint64 // 0: none
	end   context.CancelCauseFunc
	log   *slog.Logger

	mu      sync.Mutex // held while stdout is blocked
	line    []byte
	printed uint64
	failed  error // why nothing is printed any more

	settling sync.Mutex
	unacked  map[string]struct{} // ids of what was printed; only with a limit
	acked    uint64

	// noReceipt remembers what cannot be acknowledged, and so comes again
	// whatever we do.
	noReceipt *lru.Cache[string, struct{}]
}

func (p *printer) print(ctx context.Context, e *eds.Event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.failed != nil:
		return eds.Redeliver(p.failed)
	case p.limit > 0 && p.printed == p.limit:
		if p.awaitsAck(e) {
			return eds.ErrDuplicate
		}
		return eds.Redeliver(errEnough)
	}
	if d, ok := eds.DeliveryFromContext(ctx); ok && d.Receipt == "" && p.seenWithoutReceipt(e) {
		return eds.ErrDuplicate
	}
	line := *e
	line.Attempt = 0 // says something of our own bookkeeping only
	p.line = append(cloudevent.Append(p.line[:0], &line), '\n')
	if _, err := p.out.Write(p.line); err != nil {
		p.fail(err)
		return eds.Redeliver(p.failed)
	}
	p.printed++
	if p.limit > 0 {
		p.awaitAck(e)
	}
	return nil
}

// fail ends the command: events can no longer be printed. The caller holds mu.
func (p *printer) fail(err error) {
	p.failed = &outputError{err}
	p.end(p.failed)
}

// readerLeft is called when nobody reads stdout any more, which the next line
// would find out too late, or never.
func (p *printer) readerLeft(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == nil && (p.limit == 0 || p.printed < p.limit) {
		p.fail(err)
	}
}

// count ends the command once all that was asked for is acknowledged. An event
// whose connection broke after its line is counted when it comes again.
func (p *printer) count(next eds.Handler) eds.Handler {
	return func(ctx context.Context, e *eds.Event) error {
		eds.OnSettled(ctx, p.settled)
		return next(ctx, e)
	}
}

func (p *printer) settled(s eds.Settled) {
	if !s.Outcome.Acked() || s.AckErr != nil {
		return
	}
	p.settling.Lock()
	defer p.settling.Unlock()
	if _, printed := p.unacked[s.Event.ID]; !printed {
		return
	}
	delete(p.unacked, s.Event.ID)
	if p.acked++; p.acked == p.limit {
		p.end(errEnough)
	}
}

func (p *printer) awaitAck(e *eds.Event) {
	p.settling.Lock()
	defer p.settling.Unlock()
	if p.unacked == nil {
		p.unacked = map[string]struct{}{}
	}
	p.unacked[e.ID] = struct{}{}
}

func (p *printer) awaitsAck(e *eds.Event) bool {
	p.settling.Lock()
	defer p.settling.Unlock()
	_, ok := p.unacked[e.ID]
	return ok
}

func (p *printer) seenWithoutReceipt(e *eds.Event) bool {
	if p.noReceipt == nil {
		p.noReceipt, _ = lru.New[string, struct{}](10_000)
	}
	seen, _ := p.noReceipt.ContainsOrAdd(e.ID, struct{}{})
	p.log.Warn("an event without a receipt cannot be acknowledged", "event.id", e.ID, "event.type", e.Type, "printed_before", seen)
	return seen
}

package spool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/tracecontext"
)

// ErrFull says that the backlog has reached MaxEvents or MaxBytes.
var ErrFull = errors.New("spool: the backlog is full")

var errSlow = errors.New("spool: not recorded in time")

// Handle records the event and returns once it is on disk (fsync). It is an
// eds.Handler. Events that arrive while another write is under way share the
// next one. The trace context of ctx goes along, in the format that the program
// chose with otel.SetTextMapPropagator, in place of the event's own.
//
// When the backlog is full, Handle waits for room: so the service is slowed
// down, and not made to deliver what is refused. The wait ends with SendTimeout
// or ctx.
//
// Every error is one of eds.Redeliver, so that the event is left with its
// service: errors.Is tells ErrFull from ErrClosed and from what the disk says
// (syscall.ENOSPC). After an error the event may be recorded nonetheless, and
// there twice after a repetition, with the same ID. Alone an event that is
// larger than MaxBytes, which never has room, is eds.Permanent.
func (s *Spool) Handle(ctx context.Context, e *eds.Event) error {
	now := time.Now()
	record, err := encode(e, tracecontext.Carried(ctx, e.Attributes), now)
	if err != nil {
		return eds.Permanent(fmt.Errorf("spool: event %q: %w", e.ID, err))
	}
	if int64(len(record)) > s.maxBytes {
		return eds.Permanent(fmt.Errorf("spool: event %q takes %d bytes, over MaxBytes %d", e.ID, len(record), s.maxBytes))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.sendTimeout, errSlow)
	defer cancel()
	if ctx.Err() != nil {
		return eds.Redeliver(s.failed("append to", context.Cause(ctx)))
	}
	a, err := s.join(ctx, record, e.Type, now)
	if err != nil {
		return eds.Redeliver(s.failed("append to", err))
	}
	select {
	case <-a.batch.done:
		if a.batch.err != nil {
			return eds.Redeliver(s.failed("append to", a.batch.err))
		}
		return nil
	case <-ctx.Done():
		return eds.Redeliver(s.failed("append to", context.Cause(ctx)))
	}
}

// join waits for room and adds the record to the batch that is written next.
func (s *Spool) join(ctx context.Context, record []byte, kind string, recorded time.Time) (*addition, error) {
	size := int64(len(record))
	for {
		s.mu.Lock()
		switch {
		case s.closed:
			s.mu.Unlock()
			return nil, ErrClosed
		case s.damaged != nil:
			s.mu.Unlock()
			return nil, s.damaged
		}
		if s.index.len()+s.adding < s.maxEvents && s.index.bytes+s.addingBytes+size <= s.maxBytes {
			s.lastSeq++
			a := &addition{seq: s.lastSeq, record: record, kind: kind, recorded: recorded, batch: s.next}
			s.next.additions = append(s.next.additions, a)
			s.adding++
			s.addingBytes += size
			s.hurry()
			s.mu.Unlock()
			return a, nil
		}
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room := s.room
		s.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrFull, context.Cause(ctx))
		}
	}
}

// thereIsRoom lets those look again who wait for room. It is called with mu
// held.
func (s *Spool) thereIsRoom() {
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
}

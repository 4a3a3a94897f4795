package spool

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/eventdelivery/eds-go/eds"
)

var quiet = Logger(slog.New(slog.NewTextHandler(io.Discard, nil)))

// open opens a spool that is closed with the test.
func open(t testing.TB, path string, opts ...Option) *Spool {
	t.Helper()
	s, err := Open(path, append([]Option{quiet}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

func event(id string) *eds.Event {
	return &eds.Event{ID: id, Type: "T", Source: "eds://h/q", Queue: "q", Payload: []byte(`{"n":9007199254740993}`)}
}

// appendRecord records what need not be an event.
func (s *Spool) appendRecord(ctx context.Context, record []byte) error {
	a, err := s.join(ctx, record, "", time.Now())
	if err != nil {
		return err
	}
	<-a.batch.done
	return a.batch.err
}

// ids are the ids in the file, in its order.
func (s *Spool) ids() (ids []string) {
	s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketEvents).ForEach(func(_, record []byte) error {
			e, _, err := decode(record)
			if err != nil {
				e.ID = "!"
			}
			ids = append(ids, e.ID)
			return nil
		})
	})
	return ids
}

// flush waits until what was settled is on disk.
func (s *Spool) flush(ctx context.Context) error {
	s.mu.Lock()
	b := s.next
	s.hurry()
	s.mu.Unlock()
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Spool) waitGone(ctx context.Context, id string) error {
	if err := s.flush(ctx); err != nil {
		return err
	}
	if slices.Contains(s.ids(), id) {
		return fmt.Errorf("%s is in the file", id)
	}
	return nil
}

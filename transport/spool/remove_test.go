package spool

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// What waits can be removed, though it pauses or has to be alone; what is out
// cannot.
func TestRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.spool")
	s := open(t, path, Pause(time.Hour, time.Hour))
	for i := range claimAhead + 3 {
		if err := s.Handle(t.Context(), event(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	tr := s.Transport()
	first, err := tr.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tr.out[first.Receipt].pause = time.Hour
	if err := tr.Nack(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all []Record
	for r, err := range s.Records(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	// 0 pauses, 1 to 31 are about to be handed out, and the last three wait.
	for i, want := range []error{nil, ErrNotWaiting, ErrNotWaiting} {
		if err := s.Remove(t.Context(), all[i]); !errors.Is(err, want) {
			t.Errorf("event %d: %v, want %v", i, err, want)
		}
	}
	if err := s.Remove(t.Context(), all[claimAhead+1]); err != nil {
		t.Error(err)
	}
	if err := s.Remove(t.Context(), all[claimAhead+1]); !errors.Is(err, ErrNotWaiting) {
		t.Errorf("again: %v", err)
	}
	ids := s.ids()
	if len(ids) != claimAhead+1 || slices.Contains(ids, "0") || slices.Contains(ids, fmt.Sprint(claimAhead+1)) {
		t.Errorf("on disk are %v", ids)
	}
	if b, err := s.Backlog(); err != nil || b.Events != claimAhead+1 || b.Types["T"] != b.Events || b.Paused != 0 {
		t.Errorf("the backlog is %+v, %v", b, err)
	}
	other := open(t, filepath.Join(t.TempDir(), "other.spool"))
	if err := other.Handle(t.Context(), event("x")); err != nil {
		t.Fatal(err)
	}
	if err := other.Remove(t.Context(), all[0]); !errors.Is(err, ErrNotWaiting) {
		t.Errorf("a record of another spool: %v", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), all[1]); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	again := open(t, path)
	if b, err := again.Backlog(); err != nil || b.Events != claimAhead+1 {
		t.Errorf("opened again it has %+v, %v", b, err)
	}
}

// A removal that the disk does not take is an error, and is made up for.
func TestRemoveOnADiskThatFails(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "q.spool"))
	if err := s.Handle(t.Context(), event("x")); err != nil {
		t.Fatal(err)
	}
	var record Record
	for r, err := range s.Records(t.Context()) {
		if record = r; err != nil {
			t.Fatal(err)
		}
	}
	full := errors.New("no room")
	works := s.commit
	s.commit = func(*bbolt.DB, *batch) error { return full }
	if err := s.Remove(t.Context(), record); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	s.mu.Lock()
	s.commit = works
	s.mu.Unlock()
	if err := s.waitGone(t.Context(), "x"); err != nil {
		t.Error(err)
	}
}

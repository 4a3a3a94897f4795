package spool

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

func TestBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "q.spool")
		s := open(t, path, Pause(time.Hour, time.Hour))
		began := time.Now()
		for i := range 100 {
			e := event(fmt.Sprint(i))
			e.Type = []string{"A", "B"}[i%2]
			if err := s.Handle(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		tr := s.Transport()
		for i := range 3 {
			d, err := tr.Receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			switch i {
			case 0:
				err = tr.Ack(t.Context(), d)
			case 1:
				tr.out[d.Receipt].pause = time.Hour
				err = tr.Nack(t.Context(), d)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		b, err := s.Backlog()
		if err != nil {
			t.Fatal(err)
		}
		if b.Events != 99 || b.Bytes < 99*50 || b.Paused != 1 || b.Out < 1 || !b.Oldest.Equal(began.Add(time.Second)) ||
			!reflect.DeepEqual(b.Types, map[string]int{"A": 49, "B": 50}) || b.Attempts[0]+b.Attempts[1] != 99 || b.FileBytes == 0 {
			t.Errorf("the backlog is %+v", b)
		}
		if err := s.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		n := 0
		for r, err := range s.Records(t.Context()) {
			if n++; err != nil || r.Event.ID != fmt.Sprint(n) || r.Event.Queue != "q" {
				t.Fatalf("record %d is %+v, %v", n, r, err)
			}
		}
		if n != 99 {
			t.Errorf("%d records", n)
		}
		if _, err := Look(path); !errors.Is(err, ErrInUse) {
			t.Errorf("a look into a file that is in use: %v", err)
		} else if _, ok := errors.AsType[*eds.ConfigError](err); !ok {
			t.Errorf("%v is no ConfigError", err)
		}
		if err := tr.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}

		r, err := Look(path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		other, err := Look(path)
		if err != nil {
			t.Fatalf("a second time: %v", err)
		}
		defer other.Close()
		at, err := r.Backlog(t.Context())
		b.Out, b.Attempts, b.FileBytes = 0, map[int]int{0: 97, 1: 2}, at.FileBytes // those that were only claimed count no more
		if err != nil || !at.Oldest.Equal(b.Oldest) {
			t.Errorf("the oldest is %v, %v", at.Oldest, err)
		}
		at.Oldest = b.Oldest
		if !reflect.DeepEqual(at, b) { //nolint:govet // neither holds an error
			t.Errorf("the file has %+v, want %+v", at, b)
		}
		paused := 0
		for rec, err := range r.Records(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if !rec.Due.IsZero() {
				paused++
				if rec.Event.ID != "1" || rec.Event.Attempt != 1 || time.Until(rec.Due) > time.Hour {
					t.Errorf("%+v pauses", rec)
				}
			}
		}
		if paused != 1 {
			t.Errorf("%d pause", paused)
		}
		if _, err := Open(path, quiet); err == nil {
			t.Error("one can open a file that somebody looks at")
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.Backlog(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
		for _, err := range r.Records(ended) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("with an ended context: %v", err)
			}
		}
	})
}

func TestLookAtNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.spool")
	_, err := Look(path)
	if _, ok := errors.AsType[*eds.ConfigError](err); !ok {
		t.Errorf("no file: %v", err)
	}
	open(t, path).Close(t.Context())
	r, err := Look(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := r.Backlog(t.Context()); err != nil || b.Events != 0 || !b.Oldest.IsZero() {
		t.Errorf("an empty one has %+v, %v", b, err)
	}
}

// More than one look's worth, with large ones.
func TestManyRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.spool")
	s := open(t, path)
	s.db.NoSync = true
	for i := range 2*lookEvents + 10 {
		e := event(fmt.Sprint(i))
		if i%100 == 0 {
			e.Payload = make([]byte, 2*lookBytes)
		}
		if err := s.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.appendRecord(t.Context(), []byte("garbage")); err != nil {
		t.Fatal(err)
	}
	n := 0
	for r, err := range s.Records(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if last := n == 2*lookEvents+10; last != (r.Err != nil) || !last && r.Event.ID != fmt.Sprint(n) || last && string(r.Event.Payload) != "garbage" {
			t.Fatalf("record %d is %v, %v", n, r.Event.ID, r.Err)
		}
		n++
	}
	if n != 2*lookEvents+11 {
		t.Errorf("%d records", n)
	}
	for range s.Records(t.Context()) {
		break
	}
}

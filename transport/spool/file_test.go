//go:build unix

package spool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/eventdelivery/eds-go/eds"
)

// written makes a file with n events and returns its content.
func written(t testing.TB, n int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "q.spool")
	s := open(t, path)
	s.db.NoSync = true
	for i := range n {
		e := event(fmt.Sprint(i))
		e.Payload = bytes.Repeat([]byte("x"), 100*i)
		if err := s.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestFilesThatAreNoSpools(t *testing.T) {
	whole := written(t, 100)
	foreign := filepath.Join(t.TempDir(), "other.db")
	db, err := bbolt.Open(foreign, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	bolt, err := os.ReadFile(foreign)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"empty":          {},
		"text":           []byte("my notes\n"),
		"long_text":      bytes.Repeat([]byte("my notes\n"), 5000),
		"zeros":          make([]byte, 1<<16),
		"another_bbolt":  bolt,
		"a_page":         whole[:4096],
		"two_pages":      whole[:8192],
		"half":           whole[:len(whole)/2],
		"one_page_short": whole[:len(whole)-4096*8],
		"metas_lost":     append(make([]byte, 8192), whole[8192:]...),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "q.spool")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(path, quiet)
			if name == "one_page_short" && err == nil {
				// bbolt makes a file longer than it needs.
				_ = s.Close(t.Context())
				return
			}
			wrong, ok := errors.AsType[*eds.ConfigError](err)
			if !ok || wrong.Value != path {
				t.Errorf("the error is %v", err)
			}
			if _, lookErr := Look(path); lookErr == nil && name != "another_bbolt" {
				if r, err := Look(path); err == nil {
					if _, err := r.Backlog(t.Context()); err == nil {
						t.Error("Look sees nothing wrong")
					}
					r.Close()
				}
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, content) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
	t.Run("directory", func(t *testing.T) {
		if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "regular") {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("no_such_directory", func(t *testing.T) {
		if _, err := Open(filepath.Join(t.TempDir(), "x", "q.spool")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the error is %v", err)
		}
	})
}

// Who makes a file that another makes at the same time uses the other's.
func TestCreatedAtTheSameTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.spool")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := create(path); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s := open(t, path)
	if err := s.Handle(t.Context(), event("1")); err != nil {
		t.Fatal(err)
	}
	if err := create(path); err != nil { // by who found no file a moment ago
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := open(t, path).ids(); len(got) != 1 {
		t.Errorf("the file has %q", got)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("there is %v, %v", left, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestLinkIsTheFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("q.spool", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		open(t, filepath.Join(dir, "q.spool"))
		began := time.Now()
		_, err := Look(filepath.Join(dir, "link"))
		if err == nil || !strings.Contains(err.Error(), "in use") || time.Since(began) > lockWait {
			t.Errorf("through a link, after %v: %v", time.Since(began), err)
		}
	})
}

func TestFileShrinks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.spool")
	s := open(t, path)
	s.db.NoSync = true
	e := event("1")
	e.Payload = bytes.Repeat([]byte("x"), 1<<18)
	for range 80 {
		if err := s.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	size := func() int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	full := size()
	work := func(n int) {
		tr := s.Transport()
		for range n {
			d, err := tr.Receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := tr.Ack(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		if err := tr.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	work(75)
	for range 70 { // into the pages that are free now
		if err := s.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if again := size(); again > full*3/2 {
		t.Errorf("the file grew from %d to %d for the same backlog", full, again)
	}
	work(70)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, func(s *settings) { s.compactAbove = 1 << 20 })
	if small := size(); small > full/2 {
		t.Errorf("the file has %d of %d bytes still", small, full)
	}
	if got := s.ids(); len(got) != 5 {
		t.Errorf("the file has %d events, want 5", len(got))
	}
	if err := s.Handle(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	work(6)
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("there is %v, %v", left, err)
	}
	if _, err := Look(path); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("the smaller file is not locked: %v", err)
	}
}

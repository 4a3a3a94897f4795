//go:build unix

package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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

// damagedFiles is how many files TestDamagedFiles damages.
const damagedFiles = 150

// A file with bits that have turned is refused or opened, and what then comes
// of it are events as they were, or Deliveries with an Err; nothing else. It is
// done in another process: where bbolt finds damage among its inner pages, it
// leaves a goroutine behind, and now and then that goroutine reads beyond the
// file, which nobody can catch and which ends the process.
func TestDamagedFiles(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole")
	if err := os.WriteFile(whole, written(t, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var refused, unreadable, faulted int
	for next := 0; next < damagedFiles; {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), "SPOOL_TEST_ROLE=damages", "SPOOL_TEST_NAME="+strconv.Itoa(next),
			"SPOOL_TEST_PATH="+whole, "GORACE=exitcode=0 log_path=/dev/null")
		var complaints bytes.Buffer
		cmd.Stderr = &complaints
		out, died := cmd.Output()
		for line := range strings.Lines(string(out)) {
			switch word, _, _ := strings.Cut(strings.TrimSpace(line), " "); word {
			case "file":
				next++
			case "refused":
				refused++
			case "unreadable":
				unreadable++
			default:
				t.Errorf("file %d: %s", next-1, line)
			}
		}
		if died == nil {
			break
		}
		if faulted++; !strings.Contains(complaints.String(), "bbolt.(*DB).freepages") {
			t.Fatalf("file %d: %v: %s", next-1, died, &complaints)
		}
	}
	if refused == 0 || unreadable == 0 || faulted > damagedFiles/10 {
		t.Errorf("%d refused, %d unreadable, %d ended the process: the test shows little", refused, unreadable, faulted)
	}
}

// damages damages files from the first on, and says of each what comes of it.
func damages(whole string, first int) error {
	sound, err := os.ReadFile(whole)
	if err != nil {
		return err
	}
	for file := first; file < damagedFiles; file++ {
		fmt.Println("file", file)
		random := rand.New(rand.NewPCG(1, uint64(file)))
		content := bytes.Clone(sound)
		for range 1 + file%20 {
			content[random.IntN(len(content))] ^= 1 << random.IntN(8)
		}
		path := fmt.Sprint(whole, file)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
		if err := work(path, content); err != nil {
			return err
		}
	}
	return nil
}

// work works a damaged file off.
func work(path string, content []byte) error {
	ctx := context.Background()
	s, err := Open(path, quiet)
	if err != nil {
		if _, ok := errors.AsType[*eds.ConfigError](err); !ok {
			fmt.Println("wrong error:", err)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(after, content) {
			fmt.Println("changed, though it was refused")
		}
		fmt.Println("refused")
		return nil
	}
	defer s.Close(ctx)
	tr := s.Transport()
	b, err := s.Backlog()
	if err != nil {
		return err
	}
	for range b.Events {
		d, err := tr.Receive(ctx)
		if err != nil {
			break
		}
		if d.Err != nil {
			fmt.Println("unreadable", d.Event.ID)
		} else if n := len(d.Event.Payload); fmt.Sprint(n/100) != d.Event.ID || strings.Trim(string(d.Event.Payload), "x") != "" {
			fmt.Printf("event %s came with %q\n", d.Event.ID, d.Event.Payload)
		}
		_ = tr.Ack(ctx, d)
	}
	return nil
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

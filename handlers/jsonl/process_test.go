//go:build unix

package jsonl

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/childtest"
	"github.com/eventdelivery/eds-go/internal/faults"
)

// child is a second process that writes to JSONL_TEST_PATH. It prints the id
// of each event that Handle returned nil for.
func child(role string) int {
	f, err := Open(os.Getenv("JSONL_TEST_PATH"), RotateAt(5000))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	name := os.Getenv("JSONL_TEST_NAME")
	switch role {
	case "dies_in_a_line":
		f.write = func(file *os.File, b []byte) (int, error) {
			file.Write(b[:len(b)-5])
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	case "small_disk":
		// The kernel writes what fits and then refuses, as on a full disk. A
		// write may bring the lines of all four lanes, of about 130 bytes.
		const room = 800
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: room, Max: room}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		f.rotateAt = 0
	}
	var all sync.WaitGroup
	for lane := range 4 {
		all.Go(func() {
			for i := range math.MaxInt {
				if role == "writes" && i == 50 || role == "small_disk" && i == 3 {
					return
				}
				id := fmt.Sprintf("%s-%d-%d", name, lane, i)
				err := f.Handle(context.Background(), event(id))
				if err == nil {
					fmt.Println(id)
				} else if role != "small_disk" || !errors.Is(err, syscall.EFBIG) {
					fmt.Fprintln(os.Stderr, err)
				}
			}
		})
	}
	all.Wait()
	if err := f.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// start starts a child and hands over the ids that it acknowledged.
func start(t *testing.T, role, name, path string) (*exec.Cmd, <-chan string) {
	t.Helper()
	return childtest.Start(t, "JSONL_TEST_ROLE="+role, "JSONL_TEST_NAME="+name, "JSONL_TEST_PATH="+path)
}

func TestTwoProcessesLoseNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	_, a := start(t, "writes", "a", path)
	_, b := start(t, "writes", "b", path)
	f := open(t, path, RotateAt(3000))
	for i := range 50 {
		add(t, f, fmt.Sprint("c-", i))
	}
	for range a {
	}
	for range b {
	}
	got := count(ids(t, path))
	if len(got) != 450 || got["!"] != 0 {
		t.Errorf("%d different lines, %d bad; want 450 and none", len(got), got["!"])
	}
	for id, n := range got {
		if n != 1 {
			t.Errorf("%s is there %d times", id, n)
		}
	}
}

func TestProcessKilledWithinALine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	f := open(t, path)
	add(t, f, "1")
	_, acked := start(t, "dies_in_a_line", "x", path)
	for id := range acked {
		t.Errorf("%s was acknowledged", id)
	}
	// The dead process held the lock.
	add(t, f, "2")
	got := ids(t, path)
	if got[0] != "1" || got[len(got)-1] != "2" || count(got)["!"] != 1 {
		t.Errorf("the file has %q", got)
	}
}

// Whatever a process acknowledged is there after kill -9, and what others
// wrote beside it.
func TestProcessKilledAtRandom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	f := open(t, path, RotateAt(4000))
	want := make(map[string]bool)
	for round := range 5 {
		cmd, acked := start(t, "until_killed", fmt.Sprint(round), path)
		for id := range acked {
			want[id] = true
			if len(want)%40 == 0 {
				cmd.Process.Kill()
			}
		}
		id := fmt.Sprint("survivor-", round)
		add(t, f, id)
		want[id] = true
	}
	got := count(ids(t, path))
	for id := range want {
		if got[id] != 1 {
			t.Errorf("%s is there %d times", id, got[id])
		}
	}
	if got["!"] > 5 {
		t.Errorf("%d bad lines of 5 crashes", got["!"])
	}
}

func TestDiskThatFillsUp(t *testing.T) {
	faults.Covers(t, "C10")
	path := filepath.Join(t.TempDir(), "events.jsonl")
	_, acked := start(t, "small_disk", "d", path)
	var want []string
	for id := range acked {
		want = append(want, id)
	}
	if len(want) == 0 || len(want) == 12 {
		t.Fatalf("%d of 12 events fitted; the limit does not work", len(want))
	}
	if got := ids(t, path); len(got) != len(want) || count(got)["!"] != 0 {
		t.Errorf("the file has %q, acknowledged were %q", got, want)
	}
	add(t, open(t, path), "after")
	if got := ids(t, path); len(got) != len(want)+1 || count(got)["!"] != 0 {
		t.Errorf("after the disk has room again: %q", got)
	}
}

var _ eds.Handler = (*File)(nil).Handle

//go:build unix

package spool

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/childtest"
	"github.com/eventdelivery/eds-go/internal/faults"
)

// child is a second process that uses the spool at SPOOL_TEST_PATH. It prints
// what it did: "added ID" once Handle has returned nil, "acking ID" before Ack,
// and "flushed ID" once that is on disk.
func child(role string) int {
	s, err := Open(os.Getenv("SPOOL_TEST_PATH"), quiet, Pause(0, 0))
	if err != nil {
		fmt.Println("refused", err)
		return 0
	}
	name := os.Getenv("SPOOL_TEST_NAME")
	die := func() {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	switch role {
	case "opens":
		fmt.Println("open")
		return 0
	case "handles":
		// An event that ends its process, among others that do not.
		tr := s.Transport()
		for {
			d, err := tr.Receive(context.Background())
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			fmt.Println("received", d.Event.ID, d.Err != nil)
			if d.Event.ID == "poison" && d.Err == nil {
				die()
			}
			fmt.Println("acking", d.Event.ID)
			if err := tr.Ack(context.Background(), d); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
			if left, _ := s.Backlog(); left.Events == 0 {
				return 0
			}
		}
	case "before write", "after write":
		writes := 0
		s.commit = func(db *bbolt.DB, b *batch) error {
			if writes++; writes < 20 {
				return write(db, b)
			}
			if role == "after write" {
				write(db, b)
			}
			die()
			return nil
		}
	case "small disk":
		// The kernel writes what fits and then refuses, as on a full disk.
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: 200_000, Max: 200_000}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		e := event("x")
		e.Payload = []byte(strings.Repeat("x", 10_000))
		for i := range 100 {
			e.ID = fmt.Sprint(name, "-", i)
			if err := s.Handle(context.Background(), e); err == nil {
				fmt.Println("added", e.ID)
			} else {
				fmt.Println("failed", e.ID, eds.OutcomeOf(err), err)
			}
		}
		// What is there is worked off meanwhile.
		tr := s.Transport()
		for range 5 {
			d, err := tr.Receive(context.Background())
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			fmt.Println("acking", d.Event.ID)
			tr.Ack(context.Background(), d)
		}
		s.Close(context.Background())
		return 0
	}

	var all sync.WaitGroup
	for lane := range 4 {
		all.Go(func() {
			for i := range math.MaxInt {
				id := fmt.Sprint(name, "-", lane, "-", i)
				if err := s.Handle(context.Background(), event(id)); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				fmt.Println("added", id)
			}
		})
	}
	tr := s.Transport()
	var acked []string
	for i := 0; ; i++ {
		d, err := tr.Receive(context.Background())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if i%5 == 0 {
			tr.Nack(context.Background(), d)
			continue
		}
		fmt.Println("acking", d.Event.ID)
		tr.Ack(context.Background(), d)
		if acked = append(acked, d.Event.ID); len(acked) == 10 {
			if err := s.flush(context.Background()); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
			for _, id := range acked {
				fmt.Println("flushed", id)
			}
			acked = acked[:0]
		}
	}
}

// start starts a child and hands over the lines that it prints.
func start(t *testing.T, role, name, path string) (*exec.Cmd, <-chan string) {
	t.Helper()
	return childtest.Start(t, "SPOOL_TEST_ROLE="+role, "SPOOL_TEST_NAME="+name, "SPOOL_TEST_PATH="+path)
}

// told is what children have said of their events.
type told struct{ added, acking, flushed map[string]bool }

func newTold() told {
	return told{make(map[string]bool), make(map[string]bool), make(map[string]bool)}
}

func (o told) note(line string) {
	what, id, _ := strings.Cut(line, " ")
	switch what {
	case "added":
		o.added[id] = true
	case "acking":
		o.acking[id] = true
	case "flushed":
		o.flushed[id] = true
	}
}

// survived compares what was told with what is there.
func (o told) survived(t *testing.T, path string) {
	t.Helper()
	r, err := Look(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	there := make(map[string]int)
	for e, err := range r.Records(t.Context()) {
		if err != nil || e.Err != nil {
			t.Fatal(err, e.Err)
		}
		there[e.Event.ID]++
	}
	for id := range o.added {
		if there[id] == 0 && !o.acking[id] {
			t.Errorf("%s is lost", id)
		}
	}
	for id, n := range there {
		if n > 1 || o.flushed[id] {
			t.Errorf("%s is there %d times; acknowledged and flushed: %v", id, n, o.flushed[id])
		}
	}
}

// Whatever was added is there after kill -9, and nothing that was acknowledged
// and flushed.
func TestProcessKilledAtRandom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.spool")
	all := newTold()
	for round := range 6 {
		cmd, lines := start(t, "until killed", fmt.Sprint(round), path)
		seen := 0
		for line := range lines {
			all.note(line)
			if seen++; seen == 200+37*round {
				cmd.Process.Kill() // further lines are still on their way
			}
		}
		cmd.Wait()
		all.survived(t, path)
	}
	if len(all.added) < 200 || len(all.flushed) < 50 {
		t.Errorf("%d added and %d flushed only", len(all.added), len(all.flushed))
	}
}

func TestProcessKilledAroundAWrite(t *testing.T) {
	for _, step := range []string{"before write", "after write"} {
		t.Run(strings.ReplaceAll(step, " ", "_"), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "q.spool")
			all := newTold()
			for round := range 2 { // the second over what the first one left
				cmd, lines := start(t, step, fmt.Sprint(round), path)
				for line := range lines {
					all.note(line)
				}
				if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
					t.Fatalf("the child ended with %v", err)
				}
				all.survived(t, path)
			}
			if len(all.added) == 0 {
				t.Error("nothing was added")
			}
		})
	}
}

// An event that ends its process is dead-lettered in the end, and it takes
// nothing along that was out with it.
func TestEventThatEndsItsProcess(t *testing.T) {
	faults.Covers(t, "C3")
	path := filepath.Join(t.TempDir(), "q.spool")
	s := open(t, path)
	for _, id := range []string{"1", "2", "poison", "3", "4"} {
		if err := s.Handle(t.Context(), event(id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var received []string
	for round := 0; ; round++ {
		if round > 2*maxDeaths {
			t.Fatalf("after %d deaths it still goes on: %q", round, received)
		}
		cmd, lines := start(t, "handles", "", path)
		for line := range lines {
			if what, is := strings.CutPrefix(line, "received "); is {
				received = append(received, what)
			}
		}
		if cmd.Wait() == nil {
			break
		}
	}
	n := make(map[string]int)
	for _, what := range received {
		n[what]++
	}
	if n["poison false"] != maxDeaths || n["poison true"] != 1 {
		t.Errorf("the event came %d times, and %d times with an Err", n["poison false"], n["poison true"])
	}
	for _, id := range []string{"1", "2", "3", "4"} {
		if n[id+" true"] != 0 || n[id+" false"] == 0 {
			t.Errorf("event %s came %d times, and %d times with an Err", id, n[id+" false"], n[id+" true"])
		}
	}
	if !slices.Contains(received, "4 false") {
		t.Error("4 never came")
	}
}

func TestDiskThatFillsUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.spool")
	all := newTold()
	_, lines := start(t, "small disk", "d", path)
	failed := 0
	for line := range lines {
		all.note(line)
		if strings.HasPrefix(line, "failed ") {
			failed++
			if !strings.Contains(line, " redeliver ") || !strings.Contains(line, path) {
				t.Errorf("it says %q", line)
			}
		}
	}
	if len(all.added) == 0 || failed == 0 || len(all.acking) != 5 {
		t.Errorf("%d were added, %d failed, %d acknowledged", len(all.added), failed, len(all.acking))
	}
	all.survived(t, path)
	s := open(t, path)
	if err := s.Handle(t.Context(), event("after")); err != nil {
		t.Errorf("once the disk has room again: %v", err)
	}
	// What failed may be there only if it was not taken back, which Close did.
	if got := len(s.ids()); got > len(all.added)+1 {
		t.Errorf("%d events are there of %d", got, len(all.added)+1)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.spool")
	s := open(t, path)
	opens := func() string {
		_, lines := start(t, "opens", "", path)
		var said []string
		for line := range lines {
			said = append(said, line)
		}
		return strings.Join(said, "\n")
	}
	if said := opens(); !strings.Contains(said, path) || !strings.Contains(said, "in use") {
		t.Errorf("the second process says %q", said)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if said := opens(); said != "open" {
		t.Errorf("the file stays locked: %q", said)
	}
}

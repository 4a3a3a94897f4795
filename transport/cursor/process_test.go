//go:build unix

package cursor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/eventdelivery/eds-go/eds"

	"github.com/eventdelivery/eds-go/internal/childtest"
)

const childNames = 4

// child is a second process that saves to CURSOR_TEST_PATH, under several
// names at once: numbers that grow, from the one after what is there. It
// prints each name and number once Save has returned nil.
func child(role string) int {
	f, err := OpenFile(os.Getenv("CURSOR_TEST_PATH"))
	if err != nil {
		if _, ok := errors.AsType[*eds.ConfigError](err); ok {
			fmt.Println(err)
			return 0
		}
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if role == "opens" {
		fmt.Println("open")
		return 0
	}
	if step, ok := strings.CutPrefix(role, "dies at "); ok {
		writes := 0
		f.step = func(next string) {
			if next == "look" {
				writes++
			}
			if next == step && writes == 10 {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	}
	var all sync.WaitGroup
	for i := range childNames {
		all.Go(func() {
			name := fmt.Sprint("reader-", i)
			was, err := f.Load(context.Background(), name)
			n, _ := strconv.Atoi(strings.TrimLeft(was, "0"))
			for err == nil && n < math.MaxInt {
				n++
				if err = f.Save(context.Background(), name, numbered(n)); err == nil {
					fmt.Println(name, n)
				}
			}
			fmt.Fprintln(os.Stderr, err)
		})
	}
	all.Wait()
	return 1
}

// numbered is a position that fills more than a block of a disk, all names
// together, so that a write has a middle.
func numbered(n int) string { return fmt.Sprintf("%04000d", n) }

// start starts a child and hands over the lines that it prints.
func start(t *testing.T, role, path string) (*exec.Cmd, <-chan string) {
	t.Helper()
	return childtest.Start(t, "CURSOR_TEST_ROLE="+role, "CURSOR_TEST_PATH="+path)
}

// returned notes the last number that the child has told of each name.
func returned(t *testing.T, last map[string]int, line string) {
	t.Helper()
	var name string
	var n int
	if _, err := fmt.Sscan(line, &name, &n); err != nil {
		t.Errorf("the child says %q", line)
	}
	last[name] = n
}

// survived checks what a killed child left: for each name the last save that
// returned, or the one after it, which had begun.
func survived(t *testing.T, path string, last map[string]int) {
	t.Helper()
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range childNames {
		name := fmt.Sprint("reader-", i)
		got, err := f.Load(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.Atoi(strings.TrimLeft(got, "0"))
		if got != "" && got != numbered(n) {
			t.Errorf("under %s is %q", name, got)
		}
		if n != last[name] && n != last[name]+1 {
			t.Errorf("under %s is %d; the last save that returned was %d", name, n, last[name])
		}
		last[name] = n
	}
}

func TestProcessKilledAtRandom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cursors")
	last := make(map[string]int)
	for round := range 6 {
		cmd, lines := start(t, "until killed", path)
		seen := 0
		for line := range lines {
			if returned(t, last, line); seen == 30+7*round {
				cmd.Process.Kill() // further lines are still on their way
			}
			seen++
		}
		cmd.Wait()
		if seen < 30 {
			t.Fatalf("the child saved %d times only", seen)
		}
		survived(t, path, last)
	}
}

func TestProcessKilledAtEachStep(t *testing.T) {
	for _, step := range []string{"look", "create", "sync", "rename", "sync directory"} {
		t.Run(step, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "cursors")
			last := make(map[string]int)
			for range 2 { // over what the first one left
				cmd, lines := start(t, "dies at "+step, path)
				for line := range lines {
					returned(t, last, line)
				}
				if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
					t.Fatalf("the child ended with %v", err)
				}
				survived(t, path, last)
			}
		})
	}
}

func TestTwoProcessesDoNotShareAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cursors")
	f := openFile(t, path)
	_, lines := start(t, "opens", path)
	var said []string
	for line := range lines {
		said = append(said, line)
	}
	if len(said) != 1 || !strings.Contains(said[0], path) || !strings.Contains(said[0], "in use") {
		t.Errorf("the second process says %q", said)
	}
	f.Close()
	if _, lines = start(t, "opens", path); <-lines != "open" {
		t.Error("the file stays locked")
	}
}

package jsonl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
)

func open(t *testing.T, path string, opts ...Option) *File {
	t.Helper()
	f, err := Open(path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func event(id string) *eds.Event {
	return &eds.Event{ID: id, Type: "T", Source: "eds://h/q", Queue: "q", Payload: []byte(`{"n":9007199254740993}`)}
}

func add(t *testing.T, f *File, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := f.Handle(t.Context(), event(id)); err != nil {
			t.Fatal(err)
		}
	}
}

// ids reads the whole log; bad lines come as "!".
func ids(t *testing.T, path string) []string {
	t.Helper()
	var got []string
	for e, err := range ReadAll(path) {
		if _, bad := errors.AsType[*LineError](err); bad {
			got = append(got, "!")
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.ID)
	}
	return got
}

func wantIDs(t *testing.T, path, want string) {
	t.Helper()
	if got := strings.Join(ids(t, path), " "); got != want {
		t.Errorf("the file has %q, want %q", got, want)
	}
}

func TestEventsComeBackAsTheyWere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	f := open(t, path)
	want := event("1")
	want.Time = time.Date(2026, 3, 20, 14, 30, 0, 0, time.UTC)
	want.Attributes = map[string]string{"deadlettererror": "boom\n", "X": "y"}
	for _, e := range []*eds.Event{want, {Payload: []byte("not\nJSON")}} {
		if err := f.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		var got eds.Event
		for got = range Read(path) {
		}
		if got.ID != e.ID || got.Queue != e.Queue || !got.Time.Equal(e.Time) || !bytes.Equal(got.Payload, e.Payload) ||
			fmt.Sprint(got.Attributes) != fmt.Sprint(e.Attributes) {
			t.Errorf("got %+v, want %+v", got, *e)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A Handle returns only after an fsync that began after its line was written,
// and those that wait meanwhile share the next one.
func TestConcurrentEventsShareAnFsync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "events.jsonl")
		f := open(t, path)
		syncs, release := 0, make(chan struct{})
		f.sync = func(file *os.File) error {
			<-release
			syncs++
			return file.Sync()
		}
		var waiting sync.WaitGroup
		returned := make(chan struct{}, 101)
		handle := func() {
			if err := f.Handle(t.Context(), event("1")); err != nil {
				t.Error(err)
			}
			returned <- struct{}{}
		}
		waiting.Go(handle)
		synctest.Wait() // the first is in its fsync
		for range 100 {
			waiting.Go(handle)
		}
		synctest.Wait()
		if len(returned) != 0 {
			t.Fatalf("%d returned before their fsync", len(returned))
		}
		release <- struct{}{}
		synctest.Wait()
		if len(returned) != 1 {
			t.Fatalf("%d returned after the first fsync, want the first alone", len(returned))
		}
		release <- struct{}{}
		waiting.Wait()
		if syncs != 2 {
			t.Errorf("%d fsyncs for 101 events, want 2", syncs)
		}
		if n := len(ids(t, path)); n != 101 {
			t.Errorf("%d lines", n)
		}
	})
}

func TestHandleEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, filepath.Join(t.TempDir(), "events.jsonl"))
		release := make(chan struct{})
		f.sync = func(file *os.File) error { <-release; return file.Sync() }
		defer close(release)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, eds.ErrHandlerTimeout)
		defer cancel()
		if err := f.Handle(ctx, event("1")); !errors.Is(err, eds.ErrHandlerTimeout) {
			t.Errorf("got %v", err)
		}
		if err := f.Handle(ctx, event("2")); !errors.Is(err, eds.ErrHandlerTimeout) {
			t.Errorf("with an ended context: %v", err)
		}
	})
}

func TestCloseWaitsForWhatWasTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "events.jsonl")
		f := open(t, path)
		release := make(chan struct{})
		f.sync = func(file *os.File) error { <-release; return file.Sync() }
		var all sync.WaitGroup
		for _, id := range []string{"1", "2"} {
			all.Go(func() {
				if err := f.Handle(t.Context(), event(id)); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		if err := f.Close(); err == nil || !strings.Contains(err.Error(), ".lock") {
			t.Errorf("Close with a stuck disk: %v", err)
		}
		close(release)
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		all.Wait()
		wantIDs(t, path, "1 2")
		if err := f.Handle(t.Context(), event("3")); !errors.Is(err, os.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestFailedWriteIsTakenBack(t *testing.T) {
	for name, breakIt := range map[string]func(f *File){
		"short_write": func(f *File) {
			f.write = func(file *os.File, b []byte) (int, error) {
				n, _ := file.Write(b[:len(b)/2])
				return n, &fs.PathError{Op: "write", Path: file.Name(), Err: syscall.ENOSPC}
			}
		},
		"fsync_fails": func(f *File) {
			f.sync = func(*os.File) error { return syscall.ENOSPC }
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events.jsonl")
			f := open(t, path)
			add(t, f, "1")
			before, _ := os.ReadFile(path)
			write, sync := f.write, f.sync
			breakIt(f)
			err := f.Handle(t.Context(), event("2"))
			if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), path) || eds.IsPermanent(err) {
				t.Errorf("the error is %v", err)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(after, before) {
				t.Errorf("the file changed to %q", after)
			}
			f.write, f.sync = write, sync
			add(t, f, "3")
			wantIDs(t, path, "1 3")
		})
	}
}

// What cannot be taken back is a torn line for those who come after.
func TestFailedWriteThatCannotBeTakenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	f := open(t, path)
	add(t, f, "1")
	write := f.write
	f.write = func(file *os.File, b []byte) (int, error) {
		n, _ := file.Write(b[:len(b)/2])
		file.Close() // so that it cannot be truncated
		return n, syscall.ENOSPC
	}
	err := f.Handle(t.Context(), event("2"))
	if !errors.Is(err, syscall.ENOSPC) || !errors.Is(err, os.ErrClosed) {
		t.Errorf("one of two errors is lost: %v", err)
	}
	f.write = write
	add(t, f, "3")
	wantIDs(t, path, "1 ! 3")
}

func TestFullDevice(t *testing.T) {
	faults.Covers(t, "C10")
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	path := filepath.Join(t.TempDir(), "full.jsonl")
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	f := open(t, path)
	if err := f.Handle(t.Context(), event("1")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
}

func TestPipeIsWrittenToAsItIs(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	path := fmt.Sprintf("/dev/fd/%d", w.Fd())
	if _, err := os.Stat(path); err != nil {
		t.Skip("no /dev/fd here")
	}
	f := open(t, path, RotateAt(1))
	add(t, f, "1", "2")
	buf := make([]byte, 4096)
	n, err := r.Read(buf)
	if err != nil || bytes.Count(buf[:n], []byte("\n")) == 0 {
		t.Errorf("read %q, %v", buf[:n], err)
	}
}

func TestTornLastLineIsEnded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	f := open(t, path)
	add(t, f, "1")
	tear := func() {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := file.WriteString(`{"specversion":"1.0","id":"2","sou`); err != nil {
			t.Fatal(err)
		}
	}
	tear() // another writer died while this one is open
	add(t, f, "3")
	wantIDs(t, path, "1 ! 3")
	tear() // and is mended when the file is opened, before anything is written
	g := open(t, path)
	if b, _ := os.ReadFile(path); !bytes.HasSuffix(b, []byte("\n")) {
		t.Errorf("Open leaves a torn line")
	}
	add(t, g, "4")
	wantIDs(t, path, "1 ! 3 ! 4")
	// A last line that lacks nothing but its end is an event.
	b, _ := os.ReadFile(path)
	if err := os.WriteFile(path, b[:len(b)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, path, "1 ! 3 ! 4")
	add(t, f, "5")
	wantIDs(t, path, "1 ! 3 ! 4 5")
}

func TestFileThatIsMovedAwayIsMadeAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	f := open(t, path)
	add(t, f, "1")
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	add(t, f, "2")
	wantIDs(t, path, "2")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	add(t, f, "3")
	wantIDs(t, path, "3")
}

// A writer must see that another has rotated: the renamed file may be removed
// any time.
func TestWritersFollowARotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	f, g := open(t, path), open(t, path, RotateAt(1))
	add(t, f, "1")
	add(t, g, "2")
	add(t, f, "3")
	if err := os.Remove(numbered(path, 1)); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, path, "2 3")
}

func TestRotation(t *testing.T) {
	faults.Covers(t, "G6")
	path := filepath.Join(t.TempDir(), "events.jsonl")
	f := open(t, path, RotateAt(400))
	for _, name := range []string{".lock", ".000000", ".7", ".bak", ".0000002x"} { // none of ours
		if err := os.WriteFile(path+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	add(t, f, "1", "2", "3", "4", "5", "6", "7")
	wantIDs(t, path, "1 2 3 4 5 6 7")
	numbers, err := rotated(path)
	if err != nil || len(numbers) != 3 || numbers[0] != 1 {
		t.Errorf("rotated files %v, %v", numbers, err)
	}
	for _, n := range numbers {
		if info, err := os.Stat(numbered(path, n)); err != nil || info.Size() > 400 {
			t.Errorf("file %d: %v bytes, %v", n, info.Size(), err)
		}
	}
	g := open(t, path, RotateAt(200), Keep(2))
	add(t, g, "8", "9", "10")
	wantIDs(t, path, "8 9 10")
}

func TestWritersThatRotateLoseNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	var all sync.WaitGroup
	for writer := range 3 {
		f := open(t, path, RotateAt(1000))
		for lane := range 4 {
			all.Go(func() {
				for i := range 25 {
					add(t, f, fmt.Sprintf("%d-%d-%d", writer, lane, i))
				}
			})
		}
	}
	// A reader meanwhile sees everything that was acknowledged, once.
	marker := open(t, path, RotateAt(1000))
	all.Go(func() {
		for i := range 10 {
			id := fmt.Sprintf("marker-%d", i)
			add(t, marker, id)
			if n := count(ids(t, path))[id]; n != 1 {
				t.Errorf("%s was read %d times", id, n)
			}
		}
	})
	all.Wait()
	got := count(ids(t, path))
	if len(got) != 310 || got["!"] != 0 {
		t.Errorf("%d different lines, %d bad", len(got), got["!"])
	}
	for id, n := range got {
		if n != 1 {
			t.Errorf("%s is there %d times", id, n)
		}
	}
	if n, _ := rotated(path); len(n) < 10 {
		t.Errorf("only %d rotations", len(n))
	}
}

func count(ids []string) map[string]int {
	n := make(map[string]int)
	for _, id := range ids {
		n[id]++
	}
	return n
}

func TestOpenNamesTheWrongSetting(t *testing.T) {
	for _, row := range []struct {
		path, want string
		opt        Option
	}{
		{"", "path", nil},
		{"x", "RotateAt", RotateAt(-1)},
		{"x", "Keep", Keep(-2)},
	} {
		_, err := Open(row.path, row.opt)
		if _, ok := errors.AsType[*eds.ConfigError](err); !ok || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", row.want, err)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none", "x.jsonl")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such folder: %v", err)
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Errorf("a folder is opened as a file")
	}
}

func BenchmarkHandle(b *testing.B) {
	for _, lanes := range []int{1, 64} {
		b.Run(fmt.Sprintf("concurrent=%d", lanes), func(b *testing.B) {
			f, err := Open(filepath.Join(b.TempDir(), "events.jsonl"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			b.ReportAllocs()
			b.SetParallelism((lanes + 1) / 2)
			b.RunParallel(func(pb *testing.PB) {
				e := event("1")
				for pb.Next() {
					if err := f.Handle(context.Background(), e); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

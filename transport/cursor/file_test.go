package cursor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
)

func openFile(tb testing.TB, path string) *File {
	tb.Helper()
	f, err := OpenFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := f.Close(); err != nil {
			tb.Error(err)
		}
	})
	return f
}

func save(tb testing.TB, s Store, name, position string) {
	tb.Helper()
	if err := s.Save(context.Background(), name, position); err != nil {
		tb.Fatal(err)
	}
}

func load(tb testing.TB, s Store, name, want string) {
	tb.Helper()
	if got, err := s.Load(context.Background(), name); err != nil || got != want {
		tb.Fatalf("under %q is %q, %v; want %q", name, got, err, want)
	}
}

// refused checks that err is a ConfigError of path whose reason has these words.
func refused(tb testing.TB, err error, path, words string) {
	tb.Helper()
	wrong, ok := errors.AsType[*eds.ConfigError](err)
	if !ok || wrong.Value != path || !strings.Contains(wrong.Reason, words) {
		tb.Errorf("the error is %v; want a ConfigError of %s that says %q", err, path, words)
	}
}

func TestFileIsForOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cursors")
	f := openFile(t, path)
	_, err := OpenFile(path)
	refused(t, err, path, "in use")
	save(t, f, "a", "1")
	_, err = OpenFile(path)
	refused(t, err, path, "in use")
	for range 2 {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Load(t.Context(), "a"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a load after Close: %v", err)
	}
	if err := f.Save(t.Context(), "a", "2"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a save after Close: %v", err)
	}
	load(t, openFile(t, path), "a", "1")
}

func TestFileThroughALink(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "cursors"), filepath.Join(dir, "link")
	f := openFile(t, path)
	save(t, f, "a", "1")
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	_, err := OpenFile(link)
	refused(t, err, path, "in use")
	f.Close()
	f = openFile(t, link)
	save(t, f, "a", "2")
	f.Close()
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link has become %v, %v", info.Mode(), err)
	}
	load(t, openFile(t, path), "a", "2")
}

// A file that we did not write stays as it is, and can be opened once it is
// out of the way.
func TestFileThatIsNotOurs(t *testing.T) {
	for name, content := range wrongContents {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "cursors")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				_, err := OpenFile(path)
				refused(t, err, path, "")
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != content {
				t.Errorf("the file has become %q, %v", got, err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			save(t, openFile(t, path), "a", "1")
		})
	}
}

func TestFileAtAPlaceThatIsNone(t *testing.T) {
	dir := t.TempDir()
	_, err := OpenFile("")
	refused(t, err, "", "must name a file")
	_, err = OpenFile(dir)
	refused(t, err, dir, "not a regular file")
	_, err = OpenFile(os.DevNull)
	refused(t, err, os.DevNull, "not a regular file")
	if _, err := OpenFile(filepath.Join(dir, "missing", "cursors")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a directory that does not exist: %v", err)
	}
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, []byte(contentHead), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 10*largestContent); err != nil {
		t.Fatal(err)
	}
	_, err = OpenFile(large)
	refused(t, err, large, "longer than")
}

func TestFileIsNotOverwrittenWhileOpen(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"replaced": func(path string) error {
			return errors.Join(os.WriteFile(path+".new", encode(map[string]string{"a": "9"}), 0o600), os.Rename(path+".new", path))
		},
		"written to": func(path string) error { return os.WriteFile(path, []byte("something else"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "cursors")
			f := openFile(t, path)
			save(t, f, "a", "1")
			if err := change(path); err != nil {
				t.Fatal(err)
			}
			want, _ := os.ReadFile(path)
			refused(t, f.Save(t.Context(), "a", "2"), path, "changed by somebody else")
			load(t, f, "a", "1")
			if got, err := os.ReadFile(path); err != nil || string(got) != string(want) {
				t.Errorf("the file has become %q, %v", got, err)
			}
		})
	}
	t.Run("made by another before the first save", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "cursors")
		f := openFile(t, path)
		if err := os.WriteFile(path, []byte("something else"), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, f.Save(t.Context(), "a", "2"), path, "changed by somebody else")
	})
	t.Run("removed", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "cursors")
		f := openFile(t, path)
		save(t, f, "a", "1")
		save(t, f, "b", "1")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		save(t, f, "a", "2")
		f.Close()
		again := openFile(t, path)
		load(t, again, "a", "2")
		load(t, again, "b", "1")
	})
}

func TestFileMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cursors")
	f := openFile(t, path)
	for _, want := range []fs.FileMode{0o600, 0o644, 0o640} {
		if want != 0o600 { // what a new one has
			if err := os.Chmod(path, want); err != nil {
				t.Fatal(err)
			}
		}
		save(t, f, "a", want.String())
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("the mode is %v, %v; want %v", info.Mode(), err, want)
		}
	}
}

// A save that fails leaves what was saved, also for those that come later.
func TestFileThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "cursors")
	f := openFile(t, path)
	save(t, f, "a", "1")
	// Nothing can be put in the place of a directory that holds something.
	if err := os.MkdirAll(path+".tmp/x", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if err := f.Save(t.Context(), name, "2"); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("the error is %v, want one that names %s", err, path)
		}
	}
	load(t, f, "a", "1")
	load(t, f, "b", "")
	if err := f.Save(t.Context(), "a", strings.Repeat("x", largestContent)); err == nil {
		t.Error("more was saved than can be read again")
	}
	if err := os.RemoveAll(path + ".tmp"); err != nil {
		t.Fatal(err)
	}
	save(t, f, "c", "3")
	f.Close()
	again := openFile(t, path)
	load(t, again, "a", "1")
	load(t, again, "b", "")
	load(t, again, "c", "3")
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 2 {
		t.Errorf("in the directory are %q, %v; want the file and its lock", left, err)
	}
}

// Whoever looks at the file, at any time, finds one that is whole, and never
// an older position than before.
func TestFileIsAlwaysWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cursors")
	f := openFile(t, path)
	save(t, f, "a", "0000")
	var saving sync.WaitGroup
	saved := make(chan struct{})
	saving.Go(func() {
		defer close(saved)
		for i := range 300 {
			save(t, f, "a", fmt.Sprintf("%04d", i))
		}
	})
	defer saving.Wait()
	last := ""
	for done := false; !done; {
		select {
		case <-saved:
			done = true
		default:
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		positions, err := decode(content)
		if err != nil || positions["a"] < last {
			t.Fatalf("after %q the file has %q, %v", last, content, err)
		}
		last = positions["a"]
	}
}

// While a write waits for the disk, others give up when their contexts end.
func TestFileWhileTheDiskIsBusy(t *testing.T) {
	f := openFile(t, filepath.Join(t.TempDir(), "cursors"))
	busy, free := make(chan struct{}), make(chan struct{})
	f.step = func(what string) {
		if what == "sync" {
			close(busy)
			<-free
		}
	}
	var saving sync.WaitGroup
	saving.Go(func() { save(t, f, "a", "1") })
	<-busy
	ctx, cancel := context.WithTimeout(t.Context(), 1)
	defer cancel()
	if _, err := f.Load(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a load beside it: %v", err)
	}
	if err := f.Save(ctx, "a", "2"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a save beside it: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if err := f.Save(ended, "a", "3"); !errors.Is(err, context.Canceled) {
			t.Errorf("a save that waits beside it: %v", err)
		}
	})
	end()
	waiting.Wait()
	close(free)
	saving.Wait()
	load(t, f, "a", "1")
}

func BenchmarkFileSave(b *testing.B) {
	f, err := OpenFile(filepath.Join(b.TempDir(), "cursors"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for b.Loop() {
		if err := f.Save(b.Context(), "persistent://acme/events/all", "CAwQABgAIAAwAQ=="); err != nil {
			b.Fatal(err)
		}
	}
}

package cursor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/eventdelivery/eds-go/eds"
)

// File is a Store in one file, for the readers of one process: no other opens
// it at the same time. Open it with OpenFile. Use it where a machine keeps its
// disk; its directory must be writable.
//
// Each Save writes a new file, PATH.tmp, has it reach the disk (fsync), and
// then puts it in the place of the old one, so that a crash at any point
// leaves one of the two. It takes as long as the disk does, some milliseconds
// usually, so leave it to a Saver. A context that ends during the write does
// not stop it.
type File struct {
	path string
	lock *flock.Flock // PATH.lock, which stays behind

	turn chan struct{} // who holds its one slot owns what follows

	positions map[string]string
	written   fs.FileInfo // the file as we know it; nil when there is none
	closed    bool
	step      func(string) // told before each step of a write; replaced by tests
}

var _ Store = (*File)(nil)

// OpenFile opens the cursors in the file at path; the first Save makes it,
// with the mode 0600, if there is none. Close it to let others open it.
//
// It is an *eds.ConfigError when another process (or another File) has it
// open, and when the file is torn, damaged or not one of cursors: such a file
// is never overwritten. Restore it, or remove it to begin anew.
func OpenFile(path string) (*File, error) {
	if path == "" {
		return nil, wrongFile(path, "must name a file")
	}
	// A link stays a link, and its target has one lock under all its names.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	// Before it is opened, which a pipe would block, and before a lock is left
	// beside a device.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, wrongFile(path, "is not a regular file")
	}
	f := &File{
		path: path, lock: flock.New(path + ".lock"),
		turn: make(chan struct{}, 1), step: func(string) {},
	}
	free, err := f.lock.TryLock()
	switch {
	case err != nil:
		return nil, f.failed("lock", err)
	case !free:
		return nil, wrongFile(path, "is in use by another process")
	}
	if err := f.read(); err != nil {
		return nil, errors.Join(err, f.lock.Close())
	}
	return f, nil
}

func wrongFile(path, reason string) error {
	return &eds.ConfigError{Setting: "cursor file", Value: path, Reason: reason}
}

// read loads the positions.
func (f *File) read() error {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		f.positions = make(map[string]string)
		return nil
	}
	if err != nil {
		return f.failed("open", err)
	}
	defer file.Close()
	if f.written, err = file.Stat(); err != nil {
		return f.failed("open", err)
	}
	content, err := io.ReadAll(io.LimitReader(file, largestContent+1))
	if err != nil {
		return f.failed("read", err)
	}
	if len(content) > largestContent {
		return wrongFile(f.path, fmt.Sprintf("is longer than %d bytes, the most that cursors may take", largestContent))
	}
	if f.positions, err = decode(content); err != nil {
		return wrongFile(f.path, err.Error())
	}
	return nil
}

// Load implements Store.
func (f *File) Load(ctx context.Context, name string) (string, error) {
	if err := f.take(ctx); err != nil {
		return "", f.failed("load from", err)
	}
	defer f.give()
	return f.positions[name], nil
}

// Save implements Store. All positions together may take 16 MiB. A file that
// somebody else has changed or replaced meanwhile is an *eds.ConfigError and
// stays as it is; one that is gone is made again.
func (f *File) Save(ctx context.Context, name, position string) error {
	if position == "" {
		return f.failed("save to", ErrEmpty)
	}
	if err := f.take(ctx); err != nil {
		return f.failed("save to", err)
	}
	defer f.give()
	old, had := f.positions[name]
	f.positions[name] = position
	err := f.write()
	if err != nil {
		// Whether the new file is in place need not be known: the next write
		// takes all positions along.
		if had {
			f.positions[name] = old
		} else {
			delete(f.positions, name)
		}
		return f.failed("save to", err)
	}
	return nil
}

// Close lets others open the file. It waits for a Save under way. Load and
// Save then return os.ErrClosed; closing again does nothing.
func (f *File) Close() error {
	f.turn <- struct{}{}
	defer f.give()
	if f.closed {
		return nil
	}
	f.closed = true
	if err := f.lock.Close(); err != nil {
		return f.failed("unlock", err)
	}
	return nil
}

// take waits for the turn.
func (f *File) take(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if f.closed {
		f.give()
		return os.ErrClosed
	}
	return nil
}

func (f *File) give() { <-f.turn }

func (f *File) failed(what string, err error) error {
	if wrong, ok := errors.AsType[*eds.ConfigError](err); ok {
		return wrong // names the path already
	}
	return fmt.Errorf("cursor: %s file %s: %w", what, f.path, err)
}

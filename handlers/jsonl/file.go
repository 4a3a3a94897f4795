package jsonl

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/cloudevent"
)

// File appends events to a file. Its methods may be called concurrently, and
// several Files, in one process or in many, may append to the same path: each
// write holds the lock PATH.lock, which stays behind when all are closed.
type File struct {
	path     string
	rotateAt int64
	keep     int

	mu     sync.Mutex
	next   *batch        // what the writer takes next; nil for nothing
	spare  []byte        // room for a batch
	closed bool          // no more batches
	wake   chan struct{} // holds a token while next may be set; closed by Close

	ended chan struct{} // closed when the writer has ended

	// The rest belongs to the writer.

	lock  *flock.Flock // nil for what is not a regular file
	file  *os.File     // nil: to be opened
	whole int64        // file's length when we last left it in order; -1 for never

	write func(*os.File, []byte) (int, error) // replaced by tests
	sync  func(*os.File) error                // replaced by tests
}

// batch is what is written and synced at once. Its creator and all that join
// before the writer takes it wait for the same fsync.
type batch struct {
	lines []byte
	done  chan struct{} // closed once err is set
	err   error
}

// Open opens the file at path for appending and makes it, with the mode 0600,
// if there is none: events hold personal data. A last line that lacks its line
// break, as a crash leaves it, gets one, so that it spoils no other.
//
// What is not a regular file, such as /dev/stderr or a pipe, is written to
// without lock, fsync and rotation. Wrong options are *eds.ConfigErrors. Close
// it to end its goroutine.
func Open(path string, opts ...Option) (*File, error) {
	if path == "" {
		return nil, &eds.ConfigError{Setting: "jsonl path", Reason: "must name a file"}
	}
	f := &File{
		path: path, whole: -1,
		wake: make(chan struct{}, 1), ended: make(chan struct{}),
		write: (*os.File).Write, sync: (*os.File).Sync,
	}
	for _, o := range opts {
		if o == nil {
			continue
		}
		if err := o.apply(f); err != nil {
			return nil, err
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().IsRegular() {
		f.lock = flock.New(path + ".lock")
	}
	if err := f.tidy(); err != nil {
		return nil, err
	}
	go f.writer()
	return f, nil
}

// Handle appends e and returns nil once it is on disk (fsync). It is an
// eds.Handler. Events that arrive while another write is under way share the
// next one.
//
// When the write fails, on a full disk for instance, what it left is taken
// back, and the error says why; it is worth another try. When ctx ends first
// the error is its cause, and the event may be written nonetheless: it can
// then be there twice, as after a crash. After Close the error is os.ErrClosed.
func (f *File) Handle(ctx context.Context, e *eds.Event) error {
	if ctx.Err() != nil {
		return f.failed("append to", context.Cause(ctx))
	}
	b, err := f.join(e)
	if err != nil {
		return err
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return f.failed("append to", context.Cause(ctx))
	}
}

// join adds e to the batch that is written next.
func (f *File) join(e *eds.Event) (*batch, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, f.failed("append to", os.ErrClosed)
	}
	if f.next == nil {
		f.next = &batch{lines: f.spare[:0], done: make(chan struct{})}
		f.spare = nil
	}
	f.next.lines = append(cloudevent.Append(f.next.lines, e), '\n')
	select {
	case f.wake <- struct{}{}:
	default: // the writer has not taken the last token yet, and will see this
	}
	return f.next, nil
}

// take hands the writer what has gathered.
func (f *File) take() *batch {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.next
	f.next = nil
	return b
}

// recycle keeps the room of a written batch, unless it is uncommonly large.
func (f *File) recycle(room []byte) {
	const most = 1 << 20
	if cap(room) > most {
		return
	}
	f.mu.Lock()
	f.spare = room
	f.mu.Unlock()
}

// closeWait bounds Close when another process sits on the lock.
const closeWait = 5 * time.Second

// Close waits until all events that Handle took on are written and closes the
// file. It gives up after 5 s, with an error: then another process holds the
// lock and does not go on. Closing again does nothing.
func (f *File) Close() error {
	f.mu.Lock()
	if !f.closed {
		f.closed = true
		close(f.wake)
	}
	f.mu.Unlock()
	select {
	case <-f.ended:
		return nil
	case <-time.After(closeWait):
		return f.failed("close", fmt.Errorf("still waiting for %s.lock", f.path))
	}
}

func (f *File) failed(what string, err error) error {
	return fmt.Errorf("jsonl: %s %s: %w", what, f.path, bare(err))
}

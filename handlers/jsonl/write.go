package jsonl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/eventdelivery/eds-go/internal/fsync"
)

// writer is the goroutine that writes all batches, one after the other.
func (f *File) writer() {
	defer close(f.ended)
	for range f.wake {
		b := f.take()
		if b == nil {
			continue
		}
		if err := f.commit(b.lines); err != nil {
			b.err = f.failed("append to", err)
		}
		room := b.lines
		b.lines = nil
		close(b.done)
		f.recycle(room)
	}
	if f.file != nil {
		f.file.Close()
	}
}

// tidy opens the file and ends a torn last line. It does not wait for the
// lock: whoever holds it is writing and has done the same.
func (f *File) tidy() error {
	if f.lock != nil {
		free, err := f.lock.TryLock()
		if err != nil {
			return f.failed("lock", err)
		}
		if !free {
			return nil
		}
		defer f.lock.Unlock()
	}
	if err := f.commitLocked(nil); err != nil {
		return f.failed("open", err)
	}
	return nil
}

// commit appends lines so that they are on disk when it returns nil, and
// nowhere when it returns an error.
func (f *File) commit(lines []byte) error {
	if f.lock != nil {
		if err := f.acquire(); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
		defer f.lock.Unlock()
	}
	return f.commitLocked(lines)
}

// acquire waits for the lock. It is the kernel's queue that is waited in: a
// writer that polled would starve beside one that does not pause.
func (f *File) acquire() error {
	for {
		if err := f.lock.Lock(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func (f *File) commitLocked(lines []byte) error {
	size, err := f.attach()
	if err != nil {
		return err
	}
	if f.lock == nil { // a device or a pipe
		if len(lines) == 0 {
			return nil
		}
		_, err := f.write(f.file, lines)
		return err
	}
	if f.rotateAt > 0 && size > 0 && size+int64(len(lines)) > f.rotateAt && len(lines) > 0 {
		if err := f.rotate(); err != nil {
			return fmt.Errorf("rotate: %w", err)
		}
		if size, err = f.attach(); err != nil {
			return err
		}
	}
	torn, err := f.torn(size)
	if err != nil {
		return err
	}
	if !torn && len(lines) == 0 {
		f.whole = size
		return nil
	}
	end, err := f.append(lines, torn)
	if err == nil {
		err = f.sync(f.file)
	}
	if err != nil {
		// Nobody has been told of these bytes. If they cannot be taken back,
		// the next write finds a torn line and ends it.
		f.whole = -1
		return errors.Join(bare(err), f.file.Truncate(size))
	}
	f.whole = size + end
	return nil
}

// append writes lines, after the end of a torn one, and counts the bytes.
func (f *File) append(lines []byte, torn bool) (int64, error) {
	var ended int
	if torn {
		n, err := f.write(f.file, []byte{'\n'})
		if err != nil {
			return int64(n), err
		}
		ended = n
	}
	n, err := f.write(f.file, lines)
	return int64(ended + n), err
}

// attach makes f.file the file that is at the path now, since another process
// may have rotated, or an operator removed it, and returns its length.
func (f *File) attach() (int64, error) {
	if f.file != nil {
		mine, err := f.file.Stat()
		if current, pathErr := os.Stat(f.path); err == nil && pathErr == nil && os.SameFile(mine, current) {
			return mine.Size(), nil
		}
		f.file.Close()
		f.file = nil
	}
	file, err := openOrCreate(f.path)
	if err != nil {
		return 0, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return 0, err
	}
	f.file, f.whole = file, -1
	return info.Size(), nil
}

func openOrCreate(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrPermission) {
		// What we may write but not read, such as some devices.
		return os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	file, err = os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := fsync.Dir(path); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// torn reports whether the file, size bytes long, ends within a line.
func (f *File) torn(size int64) (bool, error) {
	if size == 0 || size == f.whole {
		return false, nil
	}
	var last [1]byte
	if _, err := f.file.ReadAt(last[:], size-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}

// bare takes the path off an error, which the caller names anyway.
func bare(err error) error {
	if e, ok := err.(*fs.PathError); ok { //nolint:errorlint // one that is joined with others must not replace them
		return e.Err
	}
	return err
}

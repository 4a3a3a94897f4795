package jsonl

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/cloudevent"
)

// maxLine bounds what one line may take in memory: far above the largest
// event that a transport takes in.
const maxLine = 64 << 20

// ErrLineTooLong is what a LineError wraps for a line of more than 64 MiB.
var ErrLineTooLong = errors.New("longer than 64 MiB")

// LineError says that a line is no CloudEvent. Test for it with errors.As.
// It does not quote the line.
type LineError struct {
	Path string
	// Line counts from 1.
	Line int
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("jsonl: %s:%d: %v", e.Path, e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// Read returns the events in the file at path, in the order in which they
// were written. A line that cannot be read, such as one that a crash tore,
// comes as a *LineError, and reading goes on with the next. Any other error,
// such as fs.ErrNotExist, is the last thing that comes. The file may be
// appended to meanwhile.
func Read(path string) iter.Seq2[eds.Event, error] {
	return func(yield func(eds.Event, error) bool) {
		file, err := os.Open(path)
		if err != nil {
			yield(eds.Event{}, fmt.Errorf("jsonl: read %s: %w", path, bare(err)))
			return
		}
		defer file.Close()
		readLines(path, file, maxLine, yield)
	}
}

// ReadAll is Read for all that RotateAt made of path: the renamed files,
// oldest first, and the one at path. A rotation meanwhile hides nothing that
// was there when it began.
func ReadAll(path string) iter.Seq2[eds.Event, error] {
	return func(yield func(eds.Event, error) bool) {
		// Opened before the others are listed: what is renamed in between is
		// read through this one.
		current, err := os.Open(path)
		if err == nil {
			defer current.Close()
		}
		numbers, listErr := rotated(path)
		switch {
		case listErr != nil:
			yield(eds.Event{}, fmt.Errorf("jsonl: read %s: %w", path, bare(listErr)))
			return
		case err != nil && (len(numbers) == 0 || !errors.Is(err, fs.ErrNotExist)):
			yield(eds.Event{}, fmt.Errorf("jsonl: read %s: %w", path, bare(err)))
			return
		}
		for _, n := range numbers {
			if current != nil && same(current, numbered(path, n)) {
				break // the newest, and what came after it is newer than this call
			}
			for e, err := range Read(numbered(path, n)) {
				if errors.Is(err, fs.ErrNotExist) {
					break // Keep removed it since
				}
				if !yield(e, err) {
					return
				}
			}
		}
		if current != nil {
			readLines(path, current, maxLine, yield)
		}
	}
}

func same(file *os.File, path string) bool {
	a, err := file.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}

// readLines yields what is in r; lines of more than limit bytes are bad.
func readLines(path string, r io.Reader, limit int, yield func(eds.Event, error) bool) {
	lines := bufio.NewReaderSize(r, 64<<10)
	var long []byte
	for n := 1; ; n++ {
		line, err := readLine(lines, &long, limit)
		last, tooLong := errors.Is(err, io.EOF), errors.Is(err, ErrLineTooLong)
		if err != nil && !last && !tooLong {
			yield(eds.Event{}, fmt.Errorf("jsonl: read %s: %w", path, bare(err)))
			return
		}
		if line = bytes.TrimSpace(line); len(line) > 0 || tooLong {
			e, bad := eds.Event{}, err
			if !tooLong {
				e, bad = cloudevent.Parse(line)
			}
			if bad != nil {
				bad = &LineError{Path: path, Line: n, Err: bad}
			}
			if !yield(e, bad) {
				return
			}
		}
		if last {
			return
		}
	}
}

// readLine returns the next line, which is valid until the next call. long is
// room for lines that do not fit in the reader's buffer.
func readLine(r *bufio.Reader, long *[]byte, limit int) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	more := errors.Is(err, bufio.ErrBufferFull)
	if !more && len(line) <= limit {
		return line, err
	}
	*long = append((*long)[:0], line...)
	length := len(line)
	for more {
		line, err = r.ReadSlice('\n')
		more = errors.Is(err, bufio.ErrBufferFull)
		if length += len(line); length <= limit {
			*long = append(*long, line...)
		}
	}
	if length > limit && (err == nil || errors.Is(err, io.EOF)) {
		return nil, ErrLineTooLong // if the file ends here, the next call says so
	}
	return *long, err
}

package spool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// ErrClosed is the error of what is used after Close.
var ErrClosed = errors.New("spool: closed")

// Spool is an open file of events. Its methods may be called concurrently.
type Spool struct {
	settings
	path string
	db   *bbolt.DB

	wake   chan struct{}                 // holds a token while there is something to write
	ended  chan struct{}                 // closed when the writer has ended
	commit func(*bbolt.DB, *batch) error // replaced by tests

	mu         sync.Mutex
	closed     bool
	lastSeq    uint64
	index      index
	next       *batch      // what the writer takes next
	lazy       *time.Timer // wakes the writer for what is not urgent; nil when it need not
	transports map[*Transport]struct{}
	commits    uint64
	trouble    error // why the last write failed; nil after one that did not
	damaged    error // why there will be no more

	adding      int // what is on its way to the disk
	addingBytes int64
	room        chan struct{} // closed when there may be room; nil when nobody waits
}

// Open opens the spool in the file at path, and makes it, with the mode 0600,
// if there is none.
//
// It is an *eds.ConfigError when another process, or another Spool, has it
// open (ErrInUse), which it waits for 2 s to end; when the file is torn, damaged or not a
// spool, which is never overwritten: restore it, or remove it to begin anew;
// and for each wrong option.
func Open(path string, opts ...Option) (*Spool, error) {
	s := &Spool{
		settings: defaults(), next: newBatch(),
		wake: make(chan struct{}, 1), ended: make(chan struct{}),
		transports: make(map[*Transport]struct{}), commit: write,
	}
	for _, o := range opts {
		if o != nil {
			o(&s.settings)
		}
	}
	if err := s.validate(path); err != nil {
		return nil, err
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.name == "" {
		s.name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	}
	db, err := openFile(path)
	if err != nil {
		return nil, err
	}
	s.path = db.Path()
	found, err := load(context.Background(), s.path, db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s.index, s.lastSeq = found.index, found.lastSeq
	if s.db, err = compact(s.path, db, s.index.bytes, s.compactAbove); err != nil {
		if s.db == nil {
			return nil, err
		}
		s.log.Warn("spool: the file stays large", "file", s.path, "err", err)
	}
	go s.writer()
	return s, nil
}

// Close ends the Spool: Handle takes no more, and the Transports hand out no
// more. What was taken and what was acknowledged is written, for which it
// waits until ctx ends; the writing goes on then. Close the Transports, as
// their Apps do, before. Closing again waits for the same.
func (s *Spool) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		if s.lazy != nil {
			s.lazy.Stop()
		}
		s.thereIsRoom()
		for t := range s.transports {
			t.signal()
		}
		close(s.wake)
	}
	s.mu.Unlock()
	select {
	case <-s.ended:
	case <-ctx.Done():
		return fmt.Errorf("spool: %s not closed in time: %w", s.path, context.Cause(ctx))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.damaged != nil {
		return s.damaged
	}
	if s.trouble != nil && !s.next.empty() {
		return fmt.Errorf("spool: acknowledgements not recorded, the events come again: %w", s.trouble)
	}
	return nil
}

func (s *Spool) failed(what string, err error) error {
	return fmt.Errorf("spool: %s %s: %w", what, s.path, bare(err))
}

// bare leaves out the path, which is named already.
func bare(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err
	}
	return err
}

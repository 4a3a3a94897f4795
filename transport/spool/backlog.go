package spool

import (
	"context"
	"iter"
	"os"
	"time"

	"go.etcd.io/bbolt"

	"github.com/eventdelivery/eds-go/eds"
)

// Backlog is what a spool has at one moment.
type Backlog struct {
	// Events counts what is not acknowledged, and Bytes is its size with all
	// fields.
	Events int
	Bytes  int64
	// Out counts the events that are handed out or about to be, and Paused
	// those that were given back and whose pause is not over.
	Out, Paused int
	// Oldest is when the oldest was recorded; zero when there is none.
	Oldest time.Time
	// Types counts the events by their type.
	Types map[string]int
	// Attempts counts the events by how often they were handed out.
	Attempts map[int]int
	// FileBytes is the size of the file.
	FileBytes int64
	// Err is why the last write failed; nil after one that did not.
	Err error
}

func (b *Backlog) add(e *entry) {
	if b.Types == nil {
		b.Types, b.Attempts = make(map[string]int), make(map[int]int)
	}
	b.Events++
	b.Bytes += e.bytes
	if b.Oldest.IsZero() || e.recorded.Before(b.Oldest) {
		b.Oldest = e.recorded
	}
	b.Types[e.kind.name]++
	b.Attempts[int(e.attempts)]++
}

// Backlog tells what there is now. It takes about 50 ms per million events (BenchmarkBacklog),
// during which nothing is recorded: ask it once in some seconds at most. Its
// error is ErrClosed.
func (s *Spool) Backlog() (Backlog, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Backlog{}, ErrClosed
	}
	b := s.index.backlog()
	b.Err = s.trouble
	if s.damaged != nil {
		b.Err = s.damaged
	}
	if info, err := os.Stat(s.path); err == nil {
		b.FileBytes = info.Size()
	}
	return b, nil
}

func (x *index) backlog() (b Backlog) {
	b.Out = len(x.taken)
	now := time.Now()
	for _, e := range x.ready {
		b.add(e)
	}
	for _, e := range x.paused {
		b.add(e)
		if e.due.After(now) {
			b.Paused++
		}
	}
	for _, e := range x.taken {
		b.add(e)
	}
	return b
}

// Record is an event of the backlog, as it was recorded.
type Record struct {
	// Event has the Queue that it came with; its Attempt says how often it was
	// handed out. When it cannot be read, only its Payload is set, to all that
	// there is of it, and Err says why.
	Event eds.Event
	Err   error
	// Recorded is when it was recorded.
	Recorded time.Time
	// Due is when it may be handed out again; zero when it does not pause.
	Due time.Time
	// Deaths counts the processes in a row that ended while it was out.
	Deaths int

	// For Remove: what it is numbered, and where.
	seq uint64
	db  *bbolt.DB
}

// Reader looks into a file that no process has open, beside other Readers. Its
// methods may be called concurrently.
type Reader struct {
	path string
	db   *bbolt.DB
}

// Look opens the file at path for reading: it changes nothing, and as long as
// it is open no Spool is. Its error is an *eds.ConfigError when there is no
// such file, or as that of Open is. What is in a file that is in use, the
// process that uses it has to tell: see Spool.Backlog and Spool.Records.
func Look(path string) (*Reader, error) {
	path, err := resolve(path)
	if err != nil {
		if os.IsNotExist(err) {
			err = wrongFile(path, "does not exist")
		}
		return nil, err
	}
	db, err := openSound(path)
	if err != nil {
		return nil, err
	}
	return &Reader{path, db}, nil
}

// Close lets others open the file.
func (r *Reader) Close() error { return r.db.Close() }

// Backlog tells what there is. Events that were out when their process ended
// count as neither out nor paused. Its error is ctx's, or an *eds.ConfigError.
func (r *Reader) Backlog(ctx context.Context) (Backlog, error) {
	x, err := load(ctx, r.path, r.db)
	if err != nil {
		return Backlog{}, err
	}
	b := x.index.backlog()
	if info, err := os.Stat(r.path); err == nil {
		b.FileBytes = info.Size()
	}
	return b, nil
}

// Records are the events of the file in the order in which they were recorded.
// An error is the last that comes: ctx's, or an *eds.ConfigError.
func (r *Reader) Records(ctx context.Context) iter.Seq2[Record, error] {
	return records(ctx, r.path, r.db)
}

// Records are the events on disk in the order in which they were recorded,
// those among them that are handed out or just acknowledged. What is recorded
// meanwhile may be missing. An error is the last that comes: ctx's, ErrClosed,
// or an *eds.ConfigError.
func (s *Spool) Records(ctx context.Context) iter.Seq2[Record, error] {
	return records(ctx, s.path, s.db)
}

// A look holds up what makes the file grow, so that there are many short ones.
const (
	lookEvents = 256
	lookBytes  = 1 << 20
)

func records(ctx context.Context, path string, db *bbolt.DB) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var some []Record
		for from := uint64(0); ; {
			some = some[:0]
			size, more := 0, false
			if ctx.Err() != nil {
				yield(Record{}, context.Cause(ctx))
				return
			}
			err := look(path, db, from, func(seq uint64, record []byte, st state) bool {
				if size += len(record); len(some) == lookEvents || len(some) > 0 && size > lookBytes {
					more = true
					return false
				}
				r := newRecord(record, st)
				r.seq, r.db = seq, db
				some = append(some, r)
				from = seq + 1
				return true
			})
			for _, r := range some {
				if !yield(r, nil) {
					return
				}
			}
			if err != nil {
				yield(Record{}, err)
			}
			if err != nil || !more {
				return
			}
		}
	}
}

func newRecord(record []byte, st state) (r Record) {
	r.Event, r.Recorded, r.Err = decode(record)
	if r.Err != nil {
		r.Event = eds.Event{Payload: append([]byte(nil), record...)}
	}
	r.Event.Attempt, r.Deaths = int(st.attempts), int(st.deaths)
	if now := time.Now(); st.left(now) > 0 {
		r.Due = now.Add(st.left(now))
	}
	return r
}

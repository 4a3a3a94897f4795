package spool

import (
	"encoding/binary"
	"fmt"
	"maps"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"

	"github.com/eventdelivery/eds-go/eds"
)

const (
	// lazily is how long an acknowledgement may wait for others to be written
	// with. What a crash takes along in that time is repeated.
	lazily = 100 * time.Millisecond

	// lazyAtMost is how many may wait.
	lazyAtMost = 1024

	// again is the pause before a write that failed is tried again for what
	// nobody waits for.
	again = time.Second
)

// batch is what is written in one transaction: what has gathered while the one
// before was under way.
type batch struct {
	additions []*addition
	claims    []*claim
	states    map[uint64]state
	gone      []uint64 // acknowledged, or added by a write that failed

	done chan struct{} // closed once err is set
	err  error
}

// addition is an event that waits to be recorded.
type addition struct {
	seq      uint64
	record   []byte
	kind     string
	recorded time.Time
	batch    *batch
}

// claim is what a Transport will hand out once its states are recorded.
type claim struct {
	by      *Transport
	entries []*entry
}

func newBatch() *batch { return &batch{states: make(map[uint64]state), done: make(chan struct{})} }

func (b *batch) empty() bool {
	return len(b.additions)+len(b.claims)+len(b.states)+len(b.gone) == 0
}

// hurry has the batch written at once. It is called with mu held.
func (s *Spool) hurry() {
	if s.closed {
		return // the writer is at its last
	}
	select {
	case s.wake <- struct{}{}:
	default: // the writer has not taken the last token yet, and will see this
	}
}

// eventually has the batch written some time later. It is called with mu held.
func (s *Spool) eventually(d time.Duration) {
	if len(s.next.gone)+len(s.next.states) >= lazyAtMost && s.trouble == nil {
		s.hurry()
		return
	}
	if s.lazy == nil && !s.closed {
		s.lazy = time.AfterFunc(d, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.hurry()
		})
	}
}

// writer writes batches until Close.
func (s *Spool) writer() {
	defer close(s.ended)
	for range s.wake {
		s.writeNext()
	}
	s.writeNext()
	if err := s.db.Close(); err != nil {
		s.log.Error("spool: not closed in order", "file", s.path, "err", err)
	}
}

func (s *Spool) writeNext() {
	s.mu.Lock()
	b := s.next
	if s.lazy != nil {
		s.lazy.Stop()
		s.lazy = nil
	}
	if b.empty() || s.damaged != nil {
		s.fail(b, s.damaged)
		s.mu.Unlock()
		return
	}
	s.next = newBatch()
	s.mu.Unlock()

	err := s.attempt(b)

	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range b.additions {
		s.adding--
		s.addingBytes -= int64(len(a.record))
	}
	if err == nil {
		s.written(b)
	} else {
		s.unwritten(b, err)
	}
	for _, c := range b.claims {
		c.by.have(c.entries)
	}
	for t := range s.transports {
		t.signal()
	}
	s.thereIsRoom()
	b.err = err
	close(b.done)
}

// fail is for a batch that is not written any more.
func (s *Spool) fail(b *batch, err error) {
	s.next = newBatch()
	b.err = err
	close(b.done)
}

// attempt commits a batch. A page that makes no sense to bbolt makes it panic.
func (s *Spool) attempt(b *batch) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			err = damaged(s.path, v)
			s.mu.Lock()
			s.damaged = err
			s.mu.Unlock()
		}
	}()
	return s.commit(s.db, b)
}

func write(db *bbolt.DB, b *batch) error {
	return db.Update(func(tx *bbolt.Tx) error {
		events, states := tx.Bucket(bucketEvents), tx.Bucket(bucketStates)
		events.FillPercent = 0.95 // keys grow: no page is split for one in its middle
		count := events.Sequence() + uint64(len(b.additions))
		for _, a := range b.additions {
			if err := events.Put(key(a.seq), a.record); err != nil {
				return err
			}
		}
		for seq, st := range b.states {
			if err := states.Put(key(seq), st.encode()); err != nil {
				return err
			}
		}
		for _, seq := range b.gone { // last, since a state that is older may be in the batch
			k := key(seq)
			if events.Get(k) != nil {
				count--
			}
			if err := events.Delete(k); err != nil {
				return err
			}
			if err := states.Delete(k); err != nil {
				return err
			}
		}
		return events.SetSequence(count)
	})
}

func key(seq uint64) []byte { return binary.BigEndian.AppendUint64(make([]byte, 0, 8), seq) }

// written takes note of what is on disk now.
func (s *Spool) written(b *batch) {
	s.commits++
	if s.trouble != nil {
		s.log.Info("spool: writing again", "file", s.path)
		s.trouble = nil
	}
	for _, a := range b.additions {
		s.index.putReady(s.index.add(a.seq, a.kind, int64(len(a.record)), a.recorded))
	}
}

// unwritten keeps for the next batch what nobody repeats. What was to be added
// is taken back then: a write whose last step failed may still have reached
// the disk.
func (s *Spool) unwritten(b *batch, err error) {
	if s.trouble == nil {
		s.log.Error("spool: cannot write; events are left with their service", "file", s.path, "err", bare(err))
	}
	s.trouble = err
	for _, a := range b.additions {
		s.next.gone = append(s.next.gone, a.seq)
	}
	s.next.gone = append(s.next.gone, b.gone...)
	maps.Copy(b.states, s.next.states)
	s.next.states = b.states
	if s.damaged == nil {
		s.eventually(again)
	}
}

func damaged(path string, v any) error {
	return &eds.ConfigError{Setting: "spool file", Value: path, Reason: fmt.Sprintf("is damaged (%.200v): restore it, or remove it to begin anew", v)}
}

package spool

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/eventdelivery/eds-go/eds"
)

// The receiver's side: what a Handle costs, alone and beside others, and how
// many events share a write, which has two fsyncs (bbolt: the pages, then the
// root).
func BenchmarkHandle(b *testing.B) {
	for _, n := range []int{1, 16, 64} {
		b.Run(fmt.Sprint("concurrency=", n), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "b.spool"), MaxEvents(1<<30), MaxBytes(1<<40))
			appendAll(b, n, func(e *eds.Event) error { return s.Handle(b.Context(), e) })
			s.mu.Lock()
			defer s.mu.Unlock()
			b.ReportMetric(float64(b.N)/float64(s.commits), "events/write")
			b.ReportMetric(float64(b.N)/float64(2*s.commits), "events/fsync")
		})
	}
}

// The losing variant, db.Batch with its delay of 10 ms, and the plain one, a
// transaction per event.
func BenchmarkBolt(b *testing.B) {
	for name, update := range map[string]func(*bbolt.DB) func(func(*bbolt.Tx) error) error{
		"batch":  func(db *bbolt.DB) func(func(*bbolt.Tx) error) error { return db.Batch },
		"update": func(db *bbolt.DB) func(func(*bbolt.Tx) error) error { return db.Update },
	} {
		for _, n := range []int{1, 16, 64} {
			b.Run(fmt.Sprint(name, "/concurrency=", n), func(b *testing.B) {
				path := filepath.Join(b.TempDir(), "b.spool")
				db, err := openFile(path)
				if err != nil {
					b.Fatal(err)
				}
				defer db.Close()
				var seq atomic.Uint64
				appendAll(b, n, func(e *eds.Event) error {
					record, _ := encode(e, nil, time.Now())
					return update(db)(func(tx *bbolt.Tx) error {
						return tx.Bucket(bucketEvents).Put(key(seq.Add(1)), record)
					})
				})
			})
		}
	}
}

func appendAll(b *testing.B, n int, handle func(*eds.Event) error) {
	e := event("1")
	e.Payload = []byte(`"` + strings.Repeat("x", 500) + `"`)
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if err := handle(e); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// The worker's side: events that are received and acknowledged, with their
// writes.
func BenchmarkDrain(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "b.spool"), MaxEvents(1<<30), MaxBytes(1<<40))
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for range b.N/64 + 1 {
				if err := s.Handle(b.Context(), event("1")); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	s.mu.Lock()
	before := s.commits
	s.mu.Unlock()
	tr := s.Transport()
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		d, err := tr.Receive(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if err := tr.Ack(b.Context(), d); err != nil {
			b.Fatal(err)
		}
	}
	if err := tr.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(b.N)/float64(s.commits-before), "events/write")
}

// What a long backlog leaves behind: a write into a file that is nearly all
// free pages.
func BenchmarkHandleAfterBacklog(b *testing.B) {
	if os.Getenv("SPOOL_BENCH_BACKLOG") == "" {
		b.Skip("takes 300 MB of disk: set SPOOL_BENCH_BACKLOG")
	}
	path := filepath.Join(b.TempDir(), "b.spool")
	s := open(b, path)
	var all sync.WaitGroup
	for range 256 {
		all.Go(func() {
			e := event("1")
			e.Payload = []byte(`"` + strings.Repeat("x", 10_000) + `"`)
			for range 100 {
				if err := s.Handle(b.Context(), e); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	tr := s.Transport()
	for range 25_600 {
		d, err := tr.Receive(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		_ = tr.Ack(b.Context(), d)
	}
	if err := tr.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for b.Loop() {
		if err := s.Handle(b.Context(), event("1")); err != nil {
			b.Fatal(err)
		}
	}
}

// What a backlog costs: memory per event, and how long Backlog takes for each.
func BenchmarkBacklog(b *testing.B) {
	const events = 100_000
	live := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := live()
	s := open(b, filepath.Join(b.TempDir(), "b.spool"), MaxEvents(1<<30), MaxBytes(1<<40))
	var all sync.WaitGroup
	for lane := range 64 {
		all.Go(func() {
			for i := lane; i < events; i += 64 {
				if err := s.Handle(b.Context(), event(fmt.Sprint(i))); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	memory := float64(live()-before) / events
	for b.Loop() {
		if _, err := s.Backlog(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(memory, "B/event")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
}

// What Open looks at before bbolt does, and what it then loads.
func BenchmarkOpen(b *testing.B) {
	const events = 100_000
	path := filepath.Join(b.TempDir(), "b.spool")
	s := open(b, path, MaxEvents(1<<30), MaxBytes(1<<40))
	var all sync.WaitGroup
	for lane := range 256 {
		all.Go(func() {
			e := event("1")
			e.Payload = bytes.Repeat([]byte("x"), 1000)
			for i := lane; i < events; i += 256 {
				if err := s.Handle(b.Context(), e); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if err := s.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	for name, do := range map[string]func(*bbolt.DB) error{
		"check": func(db *bbolt.DB) error {
			file, err := os.Open(path)
			if err != nil {
				return err
			}
			defer file.Close()
			info, err := file.Stat()
			if err != nil {
				return err
			}
			return (&pages{file: file, size: info.Size(), pageSize: uint64(db.Info().PageSize)}).check()
		},
		"load": func(db *bbolt.DB) error { _, err := load(b.Context(), path, db); return err },
	} {
		b.Run(name, func(b *testing.B) {
			db, err := openSound(path)
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			for b.Loop() {
				if err := do(db); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
		})
	}
}

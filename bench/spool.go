package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/spool"
)

// onDisk is byItself in a folder of its own.
func onDisk(ctx context.Context, spec Spec) (sample Sample, err error) {
	if spec.Dir, err = os.MkdirTemp(spec.Dir, "eds-bench-spool"); err != nil {
		return sample, err
	}
	defer os.RemoveAll(spec.Dir)
	spec.Redis = ""
	return byItself(ctx, spec)
}

// A recorder puts events on disk.
type recorder interface {
	Handle(context.Context, *eds.Event) error
	Close(context.Context) error
}

// recorders by variant.
var recorders = map[string]func(path string) (recorder, error){
	"spool": func(path string) (recorder, error) {
		return spool.Open(path, spool.MaxEvents(1<<30), spool.MaxBytes(1<<40))
	},
	"put-each": openNaive,
}

// record is a process that puts events on disk.
func record(spec Spec, _ io.Reader, out io.Writer) error {
	open, ok := recorders[spec.Variant]
	if !ok {
		return fmt.Errorf("unknown variant %q", spec.Variant)
	}
	path := filepath.Join(spec.Dir, "events.db")
	var (
		r       recorder
		commits []int // before and after what counts
	)
	// The file counts its transactions, and says so to who opens it.
	reopen := func() (err error) {
		if r != nil {
			if err := r.Close(context.Background()); err != nil {
				return err
			}
			n, err := transactions(path)
			if err != nil {
				return err
			}
			commits = append(commits, n)
		}
		r, err = open(path)
		return err
	}
	if err := reopen(); err != nil {
		return err
	}
	event, err := sampleEvents(spec)
	if err != nil {
		return err
	}
	sample, err := timed(spec, func(n int) error { return r.Handle(context.Background(), event(n)) }, reopen)
	if err != nil {
		return err
	}
	// bbolt ends a transaction with two fsyncs: the pages, then the root.
	sample.PerSync = float64(sample.Events) / float64(2*(commits[1]-commits[0]))
	return errors.Join(r.Close(context.Background()), json.NewEncoder(out).Encode(sample))
}

// transactions is how many have written to the file.
func transactions(path string) (int, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	n := 0
	err = db.View(func(tx *bbolt.Tx) error {
		n = tx.ID()
		return nil
	})
	return n, err
}

// naive is a transaction for each event.
type naive struct {
	db *bbolt.DB
}

var naiveBucket = []byte("events")

func openNaive(path string) (recorder, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		return nil, err
	}
	missing := false
	if err := db.View(func(tx *bbolt.Tx) error {
		missing = tx.Bucket(naiveBucket) == nil
		return nil
	}); err != nil || !missing {
		return naive{db}, err
	}
	return naive{db}, db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(naiveBucket)
		return err
	})
}

func (n naive) Handle(_ context.Context, e *eds.Event) error {
	return n.db.Update(func(tx *bbolt.Tx) error {
		events := tx.Bucket(naiveBucket)
		seq, err := events.NextSequence()
		if err != nil {
			return err
		}
		record := append([]byte(e.ID+" "+e.Type+" "+e.Source+" "+e.Queue+" "), e.Payload...)
		return events.Put(binary.BigEndian.AppendUint64(nil, seq), record)
	})
}

func (n naive) Close(context.Context) error { return n.db.Close() }

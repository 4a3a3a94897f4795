package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/fsync"
)

// The buckets of a file. All keys are sequence numbers, big endian. What bbolt
// calls the sequence of the events' bucket is how many there are: should one
// page lead to an older version of another, that number is not right.
var (
	bucketFormat = []byte("eds spool 1") // empty: its name tells what this is
	bucketEvents = []byte("events")
	bucketStates = []byte("states")
)

// lockWait is how long to wait for another process to let go of the file.
const lockWait = 2 * time.Second

func wrongFile(path, reason string) error {
	return &eds.ConfigError{Setting: "spool file", Value: path, Reason: reason}
}

// ErrInUse is what errors.Is finds in the error of Open and Look when another
// process, or another Spool, has the file open.
var ErrInUse = errors.New("spool: in use")

// inUseError is an *eds.ConfigError that is ErrInUse, too.
type inUseError struct{ error }

func (e inUseError) Unwrap() []error { return []error{e.error, ErrInUse} }

// openFile opens the database at path, and makes it if there is none.
func openFile(path string) (*bbolt.DB, error) {
	path, err := resolve(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = create(path)
	}
	if err != nil {
		return nil, err
	}
	// First for reading alone: then bbolt follows nothing but a meta page
	// whose checksum is right, and writes nothing.
	db, err := openSound(path)
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, fmt.Errorf("spool: open %s: %w", path, err)
	}
	db, _, err = openBolt(path, false)
	return db, err
}

// openSound opens a file for reading, and refuses one that is no spool, or
// that bbolt would go astray in.
func openSound(path string) (*bbolt.DB, error) {
	db, file, err := openBolt(path, true)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("spool: open %s: %w", path, bare(err)), db.Close())
	}
	p := pages{file: file, size: info.Size(), pageSize: uint64(db.Info().PageSize)}
	if wrong := p.check(); wrong != nil {
		return nil, errors.Join(damaged(path, wrong), db.Close())
	}
	err = look(path, db, 0, func(uint64, []byte, state) bool { return false })
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// resolve follows links, so that a file has one name, and refuses what is no
// spool at first sight.
func resolve(path string) (string, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	info, err := os.Stat(path) // before it is opened, which a pipe would block
	switch {
	case err != nil && errors.Is(err, fs.ErrNotExist):
		return path, err
	case err != nil:
		return path, fmt.Errorf("spool: open %s: %w", path, bare(err))
	case !info.Mode().IsRegular():
		return path, wrongFile(path, "is not a regular file")
	case info.Size() == 0:
		return path, wrongFile(path, "is empty, and no spool: remove it to begin anew")
	}
	return path, nil
}

// openBolt opens the file that has this name once its lock is free, which need
// not be the one that had it before: see compact. The file is the database's.
func openBolt(path string, readOnly bool) (*bbolt.DB, *os.File, error) {
	for {
		var file *os.File
		options := boltOptions(readOnly)
		options.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
			var err error
			file, err = os.OpenFile(name, flag&^os.O_CREATE, mode)
			return file, err
		}
		db, err := openBoltAs(path, options)
		if err != nil {
			return nil, nil, err
		}
		mine, err := file.Stat()
		named, namedErr := os.Stat(path)
		if err = errors.Join(err, namedErr); err != nil {
			return nil, nil, errors.Join(fmt.Errorf("spool: open %s: %w", path, err), db.Close())
		}
		if os.SameFile(mine, named) {
			return db, file, nil
		}
		if err := db.Close(); err != nil {
			return nil, nil, fmt.Errorf("spool: open %s: %w", path, err)
		}
	}
}

func boltOptions(readOnly bool) *bbolt.Options {
	return &bbolt.Options{
		Timeout: lockWait, ReadOnly: readOnly, NoStatistics: true,
		// As etcd has them. With the list of free pages in the file, each write
		// after a long backlog would write that list anew, megabytes of it.
		NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
	}
}

// openBoltAs makes errors of ours of bbolt's.
func openBoltAs(path string, options *bbolt.Options) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, options)
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, inUseError{wrongFile(path, "is in use by another process")}
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, wrongFile(path, "is no spool, or a damaged one ("+err.Error()+")")
	}
	if _, ok := errors.AsType[*os.PathError](err); ok {
		return nil, fmt.Errorf("spool: open %s: %w", path, bare(err))
	}
	return nil, damaged(path, err)
}

// create makes an empty spool that is whole before it has its name.
func create(path string) error {
	failed := func(err error) error { return fmt.Errorf("spool: create %s: %w", path, bare(err)) }
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-")
	if err != nil {
		return failed(err)
	}
	defer func() { _ = os.Remove(temp.Name()) }() // linked under its own name by then, or of no use
	if err := temp.Close(); err != nil {
		return failed(err)
	}
	db, err := openBoltAs(temp.Name(), boltOptions(false))
	if err != nil {
		return failed(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketFormat, bucketEvents, bucketStates} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return failed(err)
	}
	// Not a rename, which would take the place of what another process has
	// made meanwhile.
	if err := os.Link(temp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return failed(err)
	}
	if err := fsync.Dir(path); err != nil {
		return failed(err)
	}
	return nil
}

// look goes through the events of a file in their order, beginning with from,
// until each returns false. The record is valid during the call. What makes no
// sense is an *eds.ConfigError.
func look(path string, db *bbolt.DB, from uint64, each func(seq uint64, record []byte, st state) bool) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			err = damaged(path, v)
		}
	}()
	err = db.View(func(tx *bbolt.Tx) error {
		// Beyond the end of a file that was cut off, memory maps fault.
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("spool: open %s: %w", path, bare(err))
		}
		if info.Size() < tx.Size() {
			return wrongFile(path, fmt.Sprintf("is torn: it has %d of %d bytes", info.Size(), tx.Size()))
		}
		events, states := tx.Bucket(bucketEvents), tx.Bucket(bucketStates)
		if tx.Bucket(bucketFormat) == nil || events == nil || states == nil {
			return wrongFile(path, "is a bbolt database, but no spool")
		}
		c := events.Cursor()
		for k, record := c.Seek(key(from)); k != nil; k, record = c.Next() {
			if len(k) != 8 {
				return wrongFile(path, fmt.Sprintf("is damaged: it has the key %x", k))
			}
			if !each(binary.BigEndian.Uint64(k), record, decodeState(states.Get(k))) {
				return nil
			}
		}
		return nil
	})
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"go.etcd.io/bbolt"

	"github.com/eventdelivery/eds-go/internal/fsync"
)

// A file shrinks when it is larger than compactAbove, since bbolt lets it grow
// in steps of 16 MiB, and than four times its content: the rest are free pages.
const (
	compactAbove = 64 << 20
	compactRatio = 4
)

// compact returns a smaller file in the place of db's, or db. While it works
// it holds the locks of both.
func compact(path string, db *bbolt.DB, content, above int64) (*bbolt.DB, error) {
	info, err := os.Stat(path)
	if err != nil || info.Size() <= above || info.Size() <= compactRatio*content ||
		runtime.GOOS == "windows" { // renames no open file
		return db, nil //nolint:nilerr // it is worth a try, no more
	}
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-")
	if err != nil {
		return db, fmt.Errorf("spool: compact %s: %w", path, bare(err))
	}
	smaller, err := rewrite(temp, db, info.Mode().Perm())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		if smaller != nil {
			_ = smaller.Close()
		}
		_ = os.Remove(temp.Name())
		return db, fmt.Errorf("spool: compact %s: %w", path, bare(err))
	}
	// From here on the new file is the spool. Who waits for the lock of the
	// old one finds out: see openBolt.
	if err := errors.Join(db.Close(), fsync.Dir(path)); err != nil {
		return nil, errors.Join(fmt.Errorf("spool: compact %s: %w", path, bare(err)), smaller.Close())
	}
	return smaller, nil
}

// rewrite copies all events to temp, and closes it.
func rewrite(temp *os.File, db *bbolt.DB, mode os.FileMode) (*bbolt.DB, error) {
	if err := errors.Join(temp.Chmod(mode), temp.Close()); err != nil {
		return nil, err
	}
	smaller, err := openBoltAs(temp.Name(), boltOptions(false))
	if err != nil {
		return nil, err
	}
	return smaller, bbolt.Compact(smaller, db, 16<<20) // each of its transactions is synced
}

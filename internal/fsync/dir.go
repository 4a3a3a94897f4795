// Package fsync makes names of files durable.
package fsync

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// Dir makes the directory's entry for path durable: fsync of a file that is
// new, or was renamed, does not (fsync(2), notes).
func Dir(path string) error {
	if runtime.GOOS == "windows" {
		return nil // has no such call
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

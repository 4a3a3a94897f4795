package cursor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/eventdelivery/eds-go/internal/fsync"
)

// write puts a file with the positions in the place of the old one.
func (f *File) write() error {
	content := encode(f.positions)
	if len(content) > largestContent {
		return fmt.Errorf("the positions take %d bytes, more than %d", len(content), largestContent)
	}
	f.step("look")
	mode, err := f.unchanged()
	if err != nil {
		return err
	}
	temp := f.path + ".tmp"
	// One that a crash has left. We hold the lock: nobody else writes there.
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f.step("create")
	info, err := f.create(temp, content, mode)
	if err == nil {
		f.step("rename")
		err = os.Rename(temp, f.path)
	}
	if err != nil {
		_ = os.Remove(temp) // if that fails, the next write removes it
		return err
	}
	f.written = info
	f.step("sync directory")
	return fsync.Dir(f.path)
}

// create makes a file whose content is on disk.
func (f *File) create(path string, content []byte, mode fs.FileMode) (fs.FileInfo, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Chmod(mode)
	}
	if err == nil {
		f.step("sync")
		err = file.Sync()
	}
	info, statErr := file.Stat()
	return info, errors.Join(err, statErr, file.Close())
}

// unchanged looks whether the file is still the one that we know, and returns
// the mode that a new one gets.
func (f *File) unchanged() (fs.FileMode, error) {
	now, err := os.Lstat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0o600, nil
	}
	if err != nil {
		return 0, err
	}
	if f.written == nil || !os.SameFile(now, f.written) || now.Size() != f.written.Size() || !now.ModTime().Equal(f.written.ModTime()) {
		return 0, wrongFile(f.path, "was changed by somebody else while it was open")
	}
	return now.Mode().Perm(), nil
}

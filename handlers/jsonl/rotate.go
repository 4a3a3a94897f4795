package jsonl

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/eventdelivery/eds-go/internal/fsync"
)

// rotate gives the file its number and removes those beyond Keep. The caller
// holds the lock, so that no other process counts at the same time. A crash
// at any point leaves all events in place: there is but one rename.
func (f *File) rotate() error {
	numbers, err := rotated(f.path)
	if err != nil {
		return err
	}
	next := 1
	if len(numbers) > 0 {
		next = numbers[len(numbers)-1] + 1
	}
	if err := os.Rename(f.path, numbered(f.path, next)); err != nil {
		return err
	}
	if err := fsync.Dir(f.path); err != nil {
		return err
	}
	numbers = append(numbers, next)
	for f.keep > 0 && len(numbers) > f.keep {
		// What cannot be removed now is tried again after the next rotation.
		_ = os.Remove(numbered(f.path, numbers[0]))
		numbers = numbers[1:]
	}
	return nil
}

// rotated returns the numbers of the renamed files, oldest first.
func rotated(path string) ([]int, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, entry := range entries {
		suffix, ok := strings.CutPrefix(entry.Name(), filepath.Base(path)+".")
		if n, err := strconv.Atoi(suffix); ok && err == nil && n > 0 && filepath.Base(numbered(path, n)) == entry.Name() {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func numbered(path string, n int) string { return fmt.Sprintf("%s.%06d", path, n) }

package cursor_test

import (
	"path/filepath"
	"testing"

	"github.com/eventdelivery/eds-go/transport/cursor"
	"github.com/eventdelivery/eds-go/transport/cursor/cursortest"
)

func TestMemoryConformance(t *testing.T) {
	cursortest.Run(t, func(testing.TB) cursor.Store { return cursor.NewMemory() }, cursortest.Features{})
}

func TestFileConformance(t *testing.T) {
	var path string
	open := func(tb testing.TB) cursor.Store {
		f, err := cursor.OpenFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { f.Close() })
		return f
	}
	cursortest.Run(t, func(tb testing.TB) cursor.Store {
		path = filepath.Join(tb.TempDir(), "cursors")
		return open(tb)
	}, cursortest.Features{
		Reopen: func(tb testing.TB, s cursor.Store) cursor.Store {
			if err := s.(*cursor.File).Close(); err != nil {
				tb.Fatal(err)
			}
			return open(tb)
		},
		Break: func(_ testing.TB, s cursor.Store) { s.(*cursor.File).Close() },
	})
}

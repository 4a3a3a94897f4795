package repo

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/eventdelivery/eds-go"

// root is the top of the repository, seen from this package.
const root = "../.."

// source is one Go file.
type source struct {
	path string // from the top of the repository, with slashes
	ast  *ast.File
	fset *token.FileSet
}

func (s source) dir() string          { return path.Dir(s.path) }
func (s source) test() bool           { return strings.HasSuffix(s.path, "_test.go") }
func (s source) line(p token.Pos) int { return s.fset.Position(p).Line }

// at names a place in the file as editors understand it.
func (s source) at(p token.Pos) string { return s.path + ":" + strconv.Itoa(s.line(p)) }

// imports returns the import paths of the file.
func (s source) imports() []string {
	var paths []string
	for _, spec := range s.ast.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

// files returns the paths of all files below the top that belong to the
// repository and not to a tool.
func files(t *testing.T) []string {
	t.Helper()
	skipped := []string{".git", ".cache", "bin", "testdata"}
	var found []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains(skipped, d.Name()) {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() {
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			found = append(found, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// sources returns all Go files of the repository.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, name := range files(t) {
		if path.Ext(name) != ".go" {
			continue
		}
		all = append(all, parse(t, name, readFile(t, name)))
	}
	if len(all) < 10 {
		t.Fatalf("found %d Go files below %s; the rules would check nothing", len(all), root)
	}
	return all
}

// readFile returns the text of a file of the repository.
func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// parse makes a source of a text.
func parse(t *testing.T, name, text string) source {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return source{path: name, ast: f, fset: fset}
}

// report fails the test once for each complaint.
func report(t *testing.T, complaints []string) {
	t.Helper()
	for _, c := range complaints {
		t.Error(c)
	}
}

// wantComplaints fails unless there is one complaint for each of the words, in
// this order, and no other.
func wantComplaints(t *testing.T, got []string, words ...string) {
	t.Helper()
	if len(got) != len(words) {
		t.Fatalf("%d complaints, want %d:\n%s", len(got), len(words), strings.Join(got, "\n"))
	}
	for i, w := range words {
		if !strings.Contains(got[i], w) {
			t.Errorf("complaint %d is %q, want it to name %q", i, got[i], w)
		}
	}
}

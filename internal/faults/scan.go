package faults

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

const importPath = "github.com/eventdelivery/eds-go/internal/faults"

// Test is a test function, found in the source.
type Test struct {
	// Package is the folder below the root, with slashes.
	Package string
	Name    string
}

func (t Test) String() string { return t.Package + "." + t.Name }

// Scan reads the _test.go files below root and returns which tests cover
// which fault, by id. Its error names calls of Covers that count for nothing:
// outside of a test function, or with something else than literals.
func Scan(root string) (map[string][]Test, error) {
	found := map[string][]Test{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(file, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		return scanFile(file, path.Dir(filepath.ToSlash(rel)), found)
	})
	return found, err
}

func scanFile(file, pkg string, found map[string][]Test) error {
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	name := importedAs(parsed)
	if name == "" {
		return nil
	}
	for _, decl := range parsed.Decls {
		fn, _ := decl.(*ast.FuncDecl)
		var inside ast.Node = decl
		test := fn != nil && isTest(fn)
		if fn != nil && fn.Body != nil {
			inside = fn.Body
		}
		var bad error
		ast.Inspect(inside, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isCovers(call, name) {
				return true
			}
			if !test {
				bad = fmt.Errorf("%s: Covers is not in the body of a test", fset.Position(call.Pos()))
				return false
			}
			for _, arg := range call.Args[1:] {
				lit, ok := arg.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					bad = fmt.Errorf("%s: Covers wants ids as literals", fset.Position(arg.Pos()))
					return false
				}
				id, err := strconv.Unquote(lit.Value)
				if err != nil {
					bad = err
					return false
				}
				found[id] = append(found[id], Test{Package: pkg, Name: fn.Name.Name})
			}
			return true
		})
		if bad != nil {
			return bad
		}
	}
	return nil
}

// importedAs returns the name under which the file knows this package.
func importedAs(file *ast.File) string {
	for _, spec := range file.Imports {
		if p, _ := strconv.Unquote(spec.Path.Value); p == importPath {
			if spec.Name != nil {
				return spec.Name.Name
			}
			return "faults"
		}
	}
	return ""
}

// isTest tells whether go test runs the function by itself.
func isTest(fn *ast.FuncDecl) bool {
	name := fn.Name.Name
	return fn.Recv == nil && len(fn.Type.Params.List) == 1 && name != "TestMain" &&
		(strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz"))
}

func isCovers(call *ast.CallExpr, pkg string) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Covers" || len(call.Args) == 0 {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == pkg
}

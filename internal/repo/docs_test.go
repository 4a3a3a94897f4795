package repo

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Code in the documents is compiled and vetted, in a module of
// its own, as a reader would do it. A block that begins with "package" is
// a file. Another block is a fragment: declarations, or statements, to which
// the test adds what the tables below hold and the fragment uses.

// fragmentImports are the packages that a fragment may use without an import.
var fragmentImports = map[string]string{
	"context": "context",
	"errors":  "errors",
	"fmt":     "fmt",
	"http":    "net/http",
	"json":    "encoding/json",
	"os":      "os",
	"slog":    "log/slog",
	"testing": "testing",
	"time":    "time",

	"synctest": "testing/synctest",
	"signal":   "os/signal",
	"syscall":  "syscall",

	"eds":        modulePath + "/eds",
	"edstest":    modulePath + "/eds/edstest",
	"probe":      modulePath + "/eds/probe",
	"middleware": modulePath + "/middleware",
	"dedupe":     modulePath + "/dedupe",
	"lru":        modulePath + "/dedupe/lru",
	"redisstore": modulePath + "/dedupe/redisstore",
	"handlers":   modulePath + "/handlers",
	"empego":     modulePath + "/handlers/empego",
	"jsonl":      modulePath + "/handlers/jsonl",
	"webhook":    modulePath + "/handlers/webhook",
	"program":    modulePath + "/handlers/program",
	"edsv2":      modulePath + "/transport/edsv2",
	"memory":     modulePath + "/transport/memory",

	"pulsarws":     modulePath + "/transport/pulsarws",
	"pulsartest":   modulePath + "/transport/pulsarws/pulsartest",
	"streaming8x8": modulePath + "/transport/streaming8x8",
	"eightbyeight": modulePath + "/handlers/eightbyeight",
	"cursor":       modulePath + "/transport/cursor",
	"rediscursor":  modulePath + "/transport/cursor/rediscursor",
	"redislease":   modulePath + "/transport/lease/redislease",
	"cursortest":   modulePath + "/transport/cursor/cursortest",

	"dedupetest":    modulePath + "/dedupe/dedupetest",
	"transporttest": modulePath + "/transport/transporttest",

	"redis":     redis,
	"otel":      otel,
	"attribute": otel + "/attribute",
	"trace":     otelTrace,
}

// fragmentVariables are what a fragment of statements may use without
// declaring it.
var fragmentVariables = map[string]string{
	"ctx":       "context.Context",
	"log":       "*slog.Logger",
	"key":       "string",
	"t":         "*testing.T",
	"app":       "*eds.App",
	"transport": "eds.Transport",
	"handler":   "eds.Handler",
	"next":      "eds.Handler",
	"event":     "*eds.Event",
	"store":     "dedupe.Store",
	"client":    "redis.UniversalClient",
}

func TestCodeInDocumentsCompiles(t *testing.T) {
	var blocks []block
	for _, name := range files(t) {
		if path.Ext(name) != ".md" {
			continue
		}
		blocks = append(blocks, goBlocks(name, readFile(t, name))...)
	}
	if len(blocks) == 0 {
		t.Fatal("the documents hold no Go code; this test would check nothing")
	}
	report(t, compile(t, blocks))
}

func TestDocumentRuleCatches(t *testing.T) {
	blocks := goBlocks("a.md", strings.ReplaceAll(`
'''go
package main

func main() { println("a whole program") }
'''
'''go
package main

func main() { undefined() }
'''
'''text
not Go at all
'''
'''go
v := eds.Permanent(errors.New("no")) // not used, which is fine here
'''
  '''go
  func double(e *eds.Event) string { return e.ID + e.ID }
  '''
'''go
eds.NoSuchThing(ctx)
'''
'''go
this is prose
'''
'''go
fmt.Printf("%d\n", "vet sees this")
'''
`, "'''", "```"))
	wantComplaints(t, compile(t, blocks), "a.md:10", "a.md:22", "a.md:25", "a.md:28", "go vet")
}

// block is a piece of Go in a document.
type block struct {
	file string
	line int // of the first line of code
	text string
}

// goBlocks returns the fenced blocks that are marked as Go.
func goBlocks(name, text string) []block {
	var blocks []block
	var current *block
	for i, line := range strings.Split(text, "\n") {
		fence := strings.TrimSpace(line)
		switch {
		case current == nil && (fence == "```go" || strings.HasPrefix(fence, "```go ")):
			current = &block{file: name, line: i + 2}
		case current != nil && fence == "```":
			blocks = append(blocks, *current)
			current = nil
		case current != nil:
			current.text += line + "\n"
		}
	}
	return blocks
}

// compile complains about the blocks that go vet refuses.
func compile(t *testing.T, blocks []block) []string {
	t.Helper()
	module := strangersModule(t)
	var complaints []string
	for i, b := range blocks {
		text, err := wholeFile(b)
		if err != nil {
			complaints = append(complaints, err.Error())
			continue
		}
		dir := filepath.Join(module, fmt.Sprintf("block%03d", i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "code.go"), text)
	}
	// Messages name the document's lines, thanks to the line directives, but
	// before them the folder of the block.
	folder := regexp.MustCompile(`^(vet: )?\S*\bblock\d+/`)
	cmd := exec.CommandContext(t.Context(), "go", "vet", "./...")
	cmd.Dir = module
	if out, err := cmd.CombinedOutput(); err != nil {
		complaints = append(complaints, "go vet of the documents: "+err.Error())
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "#") {
				complaints = append(complaints, folder.ReplaceAllString(strings.TrimSpace(line), ""))
			}
		}
	}
	slices.Sort(complaints)
	return complaints
}

// strangersModule returns the folder of a new module that requires ours, in
// the versions of our go.mod, so that nothing is downloaded for it. What is
// internal is out of its reach, as it is for a reader of the documents.
func strangersModule(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	mod := readFile(t, "go.mod")
	mod = strings.Replace(mod, "module "+modulePath+"\n",
		"module documents\n\nrequire "+modulePath+" v0.0.0\n\nreplace "+modulePath+" => "+top+"\n", 1)
	writeFile(t, filepath.Join(dir, "go.mod"), mod)
	writeFile(t, filepath.Join(dir, "go.sum"), readFile(t, "go.sum"))
	return dir
}

// wholeFile returns the text of a file that holds the block.
func wholeFile(b block) (string, error) {
	directive := fmt.Sprintf("//line %s:%d\n", b.file, b.line)
	if strings.HasPrefix(strings.TrimSpace(b.text), "package ") {
		return directive + b.text, nil
	}
	if f, err := parser.ParseFile(token.NewFileSet(), "", "package documents\n"+b.text, 0); err == nil {
		return header(f) + directive + b.text, nil
	}
	f, err := parser.ParseFile(token.NewFileSet(), "", "package documents\nfunc _() {\n"+b.text+"\n}", 0)
	if err != nil {
		return "", fmt.Errorf("%s:%d: neither declarations nor statements: %w", b.file, b.line, err)
	}
	body := f.Decls[0].(*ast.FuncDecl).Body
	var params, used []string
	for _, name := range names(body) {
		if typ, ok := fragmentVariables[name]; ok {
			params = append(params, name+" "+typ)
		}
	}
	for _, name := range declared(body) {
		used = append(used, "_ = "+name+"\n")
	}
	signature := "func _(" + strings.Join(params, ", ") + ") (err error) {"
	outer, err := parser.ParseFile(token.NewFileSet(), "", "package documents\n"+signature+"}", 0)
	if err != nil {
		return "", err
	}
	// In a block of its own the fragment may declare what the parameters hold,
	// and return what it likes.
	return header(outer, f) + signature + "\n{\n" + directive + b.text + strings.Join(used, "") + "}\nreturn nil\n}\n", nil
}

// header returns the package clause and the imports that files use.
func header(files ...*ast.File) string {
	text := "package documents\n"
	for _, f := range files {
		for _, name := range names(f) {
			_, variable := fragmentVariables[name]
			if p, ok := fragmentImports[name]; ok && !variable && !strings.Contains(text, fmt.Sprintf("import %s %q", name, p)) {
				text += fmt.Sprintf("import %s %q\n", name, p)
			}
		}
	}
	return text
}

// names returns the identifiers that are used as x or as x in x.y, sorted.
func names(root ast.Node) []string {
	var found []string
	ast.Inspect(root, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			// Not what follows the dot.
			found = append(found, names(n.X)...)
			return false
		case *ast.Ident:
			found = append(found, n.Name)
		}
		return true
	})
	slices.Sort(found)
	return slices.Compact(found)
}

// declared returns the variables that the statements of a body declare, which
// in a fragment need no use.
func declared(body *ast.BlockStmt) []string {
	var found []string
	add := func(e ast.Expr) {
		if id, ok := e.(*ast.Ident); ok && id.Name != "_" {
			found = append(found, id.Name)
		}
	}
	for _, s := range body.List {
		switch s := s.(type) {
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE {
				for _, e := range s.Lhs {
					add(e)
				}
			}
		case *ast.DeclStmt:
			d, ok := s.Decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range d.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok {
					for _, id := range v.Names {
						add(id)
					}
				}
			}
		}
	}
	return found
}

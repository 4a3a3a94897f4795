package repo

import (
	"go/ast"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTestsDoNotSleep(t *testing.T) {
	report(t, sleeps(sources(t)))
}

func TestSleepRuleCatches(t *testing.T) {
	const text = `package p

import ("testing"; "testing/synctest"; "time"; "pgregory.net/rapid")

func TestReal(t *testing.T) { time.Sleep(1); sometimesReal() }

func TestFake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { time.Sleep(time.Hour) })
	rapid.Check(t, rapid.SyncTest(func(t *rapid.T) { time.Sleep(time.Hour) }))
	<-time.After(1)
	select {
	case <-time.After(time.Minute): // a watchdog is no pause
	}
	bubble(t, func() { time.Sleep(time.Hour); step(); sometimesReal() })
}

func TestTable(t *testing.T) {
	for _, f := range []func(){func() { time.Sleep(time.Hour) }} { bubble(t, f) }
}

func TestRealTable(t *testing.T) {
	for _, f := range []func(){func() { time.Sleep(time.Hour) }} { f() }
}

func bubble(t *testing.T, f func()) {
	synctest.Test(t, func(t *testing.T) { f() })
	time.Sleep(1)
}

func step() { substep() }

func substep() { time.Sleep(2) }

func sometimesReal() { time.Sleep(2) }

func excused() {
	// real time: the server has no way to tell that it listens
	time.Sleep(3)
	time.Sleep(4) // real time
}
`
	wantComplaints(t, sleeps([]source{
		parse(t, "a_test.go", text),
		parse(t, "a.go", text),
		parse(t, "other/all_test.go", strings.Replace(text, "package p", "package p\n\n// fake time: each test runs in a bubble", 1)),
	}), "a_test.go:5", "a_test.go:10", "a_test.go:22", "a_test.go:27", "a_test.go:34", "a_test.go:39")
}

// sleepReason is the comment, on the line of the sleep or on the one before,
// that says why a sleep is none ("fake time": it runs in a bubble, in a way
// that this rule does not see), or why there is nothing to wait for ("real
// time"). Before the imports it holds for the whole file.
var sleepReason = regexp.MustCompile(`(fake|real) time: \S`)

// sleeps complains about pauses in tests that take real time.
func sleeps(all []source) []string {
	packages := map[string][]source{} // the tests, by folder
	for _, s := range all {
		if s.test() { // elsewhere the linter forbids them
			packages[s.dir()] = append(packages[s.dir()], s)
		}
	}
	var complaints []string
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		fake := inBubbles(packages[dir])
		for _, s := range packages[dir] {
			if sleepReason.MatchString(beforeDeclarations(s)) {
				continue
			}
			excused := linesWith(s, sleepReason)
			for _, call := range pauses(s) {
				if !within(call.Pos(), fake[s.path]) && !slices.Contains(excused, s.line(call.Pos())) {
					complaints = append(complaints, s.at(call.Pos())+": "+qualified(call.Fun)+
						" in a test: wait for an event or use testing/synctest; where it is in a bubble"+
						" in disguise, say so with a comment // fake time: WHY, there or before the imports")
				}
			}
		}
	}
	return complaints
}

// pauses returns the calls that do nothing but let time go by. A time-out
// among the cases of a select is not one of them.
func pauses(s source) []*ast.CallExpr {
	var found []*ast.CallExpr
	var watchdogs []ast.Node
	ast.Inspect(s.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CommClause:
			if n.Comm != nil {
				watchdogs = append(watchdogs, n.Comm)
			}
		case *ast.CallExpr:
			name := qualified(n.Fun)
			if name == "time.Sleep" || name == "time.After" && !within(n.Pos(), watchdogs) {
				found = append(found, n)
			}
		}
		return true
	})
	return found
}

// inBubbles returns, by file, what runs in fake time: the arguments of
// synctest.Test, those of functions that call it, functions in the tables of
// tests that call it, and functions that are used in such places only.
func inBubbles(tests []source) map[string][]ast.Node {
	var all []function
	for _, s := range tests {
		all = append(all, functions(s)...)
	}
	fake := map[string][]ast.Node{}
	openers := []string{"synctest.Test", "rapid.SyncTest"}
	for again := true; again; {
		again = false
		for _, f := range all {
			calls := callsOf(f.node, openers)
			if len(calls) > 0 {
				for _, n := range append(calls, tableFunctions(f.node)...) {
					if !slices.Contains(fake[f.file], n) {
						fake[f.file] = append(fake[f.file], n)
					}
				}
			}
			if len(calls) > 0 && !slices.Contains(openers, f.name.Name) {
				openers, again = append(openers, f.name.Name), true
			}
		}
	}
	named := uses(tests)
	for again := true; again; {
		again = false
		for _, f := range all {
			known := slices.Contains(openers, f.name.Name) || within(f.node.Pos(), fake[f.file])
			if !known && f.onlyUsedIn(fake, named) {
				fake[f.file], again = append(fake[f.file], f.node), true
			}
		}
	}
	return fake
}

// function is a function or method, or a closure that a variable holds.
type function struct {
	file   string
	name   *ast.Ident
	node   ast.Node
	method bool
	scope  ast.Node // where a closure's variable can be seen; nil for others
}

func functions(s source) []function {
	var found []function
	for _, d := range s.ast.Decls {
		decl, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		found = append(found, function{s.path, decl.Name, decl, decl.Recv != nil, nil})
		ast.Inspect(decl, func(n ast.Node) bool {
			if set, ok := n.(*ast.AssignStmt); ok && set.Tok == token.DEFINE && len(set.Lhs) == len(set.Rhs) {
				for i, e := range set.Rhs {
					name, named := set.Lhs[i].(*ast.Ident)
					if lit, ok := e.(*ast.FuncLit); ok && named {
						found = append(found, function{s.path, name, lit, false, decl})
					}
				}
			}
			return true
		})
	}
	return found
}

// use is a place where a name stands: behind a dot and called, or by itself.
type use struct {
	file   string
	id     *ast.Ident
	method bool
}

// uses returns the uses of each name.
func uses(tests []source) map[string][]use {
	found := map[string][]use{}
	for _, s := range tests {
		ast.Inspect(s.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok {
					found[sel.Sel.Name] = append(found[sel.Sel.Name], use{s.path, sel.Sel, true})
				}
			case *ast.Ident:
				found[n.Name] = append(found[n.Name], use{s.path, n, false})
			}
			return true
		})
	}
	return found
}

// onlyUsedIn tells whether the function is used in these places, and nowhere
// else. Names are all it goes by, so it errs on the side of a complaint.
func (f function) onlyUsedIn(places map[string][]ast.Node, all map[string][]use) bool {
	used := false
	for _, u := range all[f.name.Name] {
		if u.id == f.name || u.method != f.method || f.scope != nil && (u.file != f.file || !within(u.id.Pos(), []ast.Node{f.scope})) {
			continue
		}
		if !within(u.id.Pos(), places[u.file]) {
			return false
		}
		used = true
	}
	return used
}

// tableFunctions returns the function literals in composite literals below n.
func tableFunctions(n ast.Node) []ast.Node {
	var found []ast.Node
	ast.Inspect(n, func(n ast.Node) bool {
		if table, ok := n.(*ast.CompositeLit); ok {
			ast.Inspect(table, func(n ast.Node) bool {
				if lit, ok := n.(*ast.FuncLit); ok {
					found = append(found, lit)
				}
				return true
			})
		}
		return true
	})
	return found
}

// callsOf returns the calls below n of functions with these names.
func callsOf(n ast.Node, names []string) []ast.Node {
	var found []ast.Node
	ast.Inspect(n, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			id, plain := call.Fun.(*ast.Ident)
			if plain && slices.Contains(names, id.Name) || slices.Contains(names, qualified(call.Fun)) {
				found = append(found, call)
			}
		}
		return true
	})
	return found
}

// beforeDeclarations returns the comments at the top of the file.
func beforeDeclarations(s source) string {
	var text string
	for _, group := range s.ast.Comments {
		if len(s.ast.Decls) == 0 || group.End() < s.ast.Decls[0].Pos() {
			text += group.Text()
		}
	}
	return text
}

// linesWith returns the lines of comments that match, and those that follow.
func linesWith(s source, comment *regexp.Regexp) []int {
	var lines []int
	for _, group := range s.ast.Comments {
		if comment.MatchString(group.Text()) {
			lines = append(lines, s.line(group.Pos()), s.line(group.End())+1)
		}
	}
	return lines
}

// qualified returns "pkg.Name" for such an expression, and "" for others.
func qualified(e ast.Expr) string {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return x.Name + "." + sel.Sel.Name
}

func within(p token.Pos, nodes []ast.Node) bool {
	return slices.ContainsFunc(nodes, func(n ast.Node) bool { return n.Pos() <= p && p < n.End() })
}

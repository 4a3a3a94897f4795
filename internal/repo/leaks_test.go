package repo

import (
	"go/ast"
	"maps"
	"slices"
	"testing"
)

func TestEachTestedPackageLooksForLeakedGoroutines(t *testing.T) {
	report(t, uncheckedLeaks(sources(t)))
}

func TestLeakRuleCatches(t *testing.T) {
	wantComplaints(t, uncheckedLeaks([]source{
		parse(t, "good/a_test.go", "package good\nfunc TestMain(m *testing.M) { goleak.VerifyTestMain(m) }\n"),
		parse(t, "good/b_test.go", "package good_test\n"),
		parse(t, "bad/a_test.go", "package bad\nfunc TestA(t *testing.T) {}\n"),
		parse(t, "untested/a.go", "package untested\n"),
	}), "bad")
}

// uncheckedLeaks complains about packages whose tests do not end with
// goleak's look at the goroutines that are left.
func uncheckedLeaks(all []source) []string {
	checked := map[string]bool{} // by folder
	for _, s := range all {
		if !s.test() {
			continue
		}
		found := checked[s.dir()]
		ast.Inspect(s.ast, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				switch qualified(call.Fun) {
				case "goleak.VerifyTestMain", "goleak.Find":
					found = true
				}
			}
			return !found
		})
		checked[s.dir()] = found
	}
	var complaints []string
	for _, dir := range slices.Sorted(maps.Keys(checked)) {
		if !checked[dir] {
			complaints = append(complaints, dir+": no test calls goleak.VerifyTestMain; add a main_test.go")
		}
	}
	return complaints
}

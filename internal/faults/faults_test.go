package faults_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/eventdelivery/eds-go/internal/faults"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const root = "../.."

func TestEveryFaultThatConcernsUsIsInjectedOrExplained(t *testing.T) {
	tests, err := faults.Scan(root)
	if err != nil {
		t.Fatal(err)
	}
	covered, owed := 0, 0
	for _, f := range faults.All {
		reason, gap := faults.Gaps[f.ID]
		switch n := len(tests[f.ID]); {
		case f.Scope.Later():
			if gap {
				t.Errorf("%s does not concern what is built and needs no reason", f.ID)
			}
			continue
		case n == 0 && strings.TrimSpace(reason) == "":
			t.Errorf("%s (%s): no test injects it, and no reason is given", f.ID, f.Title)
		case n > 0 && gap:
			t.Errorf("%s: %v injects it, so the reason for the gap is out of date", f.ID, tests[f.ID])
		case n > 0:
			covered++
		}
		owed++
	}
	for id, by := range tests {
		if _, ok := faults.Lookup(id); !ok {
			t.Errorf("%v covers %q, which is no fault", by, id)
		}
	}
	for id := range faults.Gaps {
		if _, ok := faults.Lookup(id); !ok {
			t.Errorf("the gaps name %q, which is no fault", id)
		}
	}
	t.Logf("%d of %d faults that concern what is built are injected by tests, %d are explained", covered, owed, len(faults.Gaps))
}

func TestMatrixIsCurrent(t *testing.T) {
	tests, err := faults.Scan(root)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "faults.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != faults.Matrix(tests) {
		t.Error("docs/faults.md is out of date; run: go run ./internal/faults/gen")
	}
}

func TestListIsComplete(t *testing.T) {
	sizes := map[byte]int{'A': 21, 'B': 44, 'C': 18, 'D': 30, 'E': 12, 'F': 17, 'G': 8}
	var want, got, titles []string
	for _, group := range []byte("ABCDEFG") {
		for n := range sizes[group] {
			want = append(want, fmt.Sprintf("%c%d", group, n+1))
		}
	}
	for _, f := range faults.All {
		got, titles = append(got, f.ID), append(titles, f.Title)
	}
	if !slices.Equal(got, want) {
		t.Errorf("ids %q, want %q", got, want)
	}
	slices.Sort(titles)
	if len(slices.Compact(titles)) != len(got) {
		t.Error("a title occurs twice")
	}
}

func TestScanRefusesMarkersThatProveNothing(t *testing.T) {
	const head = "package x\nimport (\"testing\"; f \"github.com/eventdelivery/eds-go/internal/faults\")\n"
	for _, tc := range []struct {
		name, source string
		want         string // part of the error; "" for none
		covers       string
	}{
		{"in a test", `func TestX(t *testing.T) { f.Covers(t, "B1") }`, "", "B1"},
		{"in a subtest", `func TestX(t *testing.T) { t.Run("", func(t *testing.T) { f.Covers(t, "B1") }) }`, "", "B1"},
		{"in a fuzz target", `func FuzzX(t *testing.F) { f.Covers(t, "B1") }`, "", "B1"},
		{"commented out", "func TestX(t *testing.T) {\n// f.Covers(t, \"B1\")\n}", "", ""},
		{"in a helper", `func helper(t *testing.T) { f.Covers(t, "B1") }`, "not in the body of a test", ""},
		{"in a method", `func (x) TestX(t *testing.T) { f.Covers(t, "B1") }`, "not in the body of a test", ""},
		{"in a variable", `var _ = func(t *testing.T) { f.Covers(t, "B1") }`, "not in the body of a test", ""},
		{"computed", `func TestX(t *testing.T) { f.Covers(t, "B" + "1") }`, "literals", ""},
		{"someone else's Covers", `func helper(t *testing.T) { g.Covers(t, "B1") }`, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "x_test.go"), []byte(head+tc.source), 0o600); err != nil {
				t.Fatal(err)
			}
			tests, err := faults.Scan(dir)
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("error %v, want one that says %q", err, tc.want)
			}
			if got := len(tests["B1"]) > 0; got != (tc.covers != "") {
				t.Errorf("found %v, want %q", tests, tc.covers)
			}
		})
	}
}

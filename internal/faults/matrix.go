package faults

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

var groups = map[byte]string{
	'A': "Connecting and authenticating",
	'B': "Connection and frames",
	'C': "Handlers",
	'D': "The dedupe store",
	'E': "Shutdown",
	'F': "More than one machine",
	'G': "Limits",
}

// Matrix renders the list and the tests that Scan found as a page.
func Matrix(tests map[string][]Test) string {
	var page strings.Builder
	covered, owed := 0, 0
	for _, f := range All {
		if !f.Scope.Later() {
			owed++
			if len(tests[f.ID]) > 0 {
				covered++
			}
		}
	}
	fmt.Fprintf(&page, `# Faults and the tests that inject them

%d kinds of faults, %d of which concern what is built so far: %d of those are
injected by a test that fails when the right outcome stays away. For the rest
the table says why not.

This page is generated from internal/faults and from the tests:
`+"`go run ./internal/faults/gen`"+`. A test keeps it current.
`, len(All), owed, covered)

	var group byte
	for _, f := range All {
		if f.ID[0] != group {
			group = f.ID[0]
			fmt.Fprintf(&page, "\n## %c. %s\n\n| | fault | injected by |\n|---|---|---|\n", group, groups[group])
		}
		fmt.Fprintf(&page, "| %s | %s | %s |\n", f.ID, f.Title, evidence(f, tests[f.ID]))
	}
	return page.String()
}

func evidence(f Fault, tests []Test) string {
	if len(tests) == 0 {
		if f.Scope.Later() {
			return "*" + f.Scope.String() + "*"
		}
		return "*not covered: " + cmp.Or(Gaps[f.ID], "no reason given") + "*"
	}
	var names []string
	for _, t := range tests {
		names = append(names, "`"+t.String()+"`")
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

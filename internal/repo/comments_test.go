package repo

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestEachPackageHasOnePackageComment(t *testing.T) {
	report(t, packageComments(sources(t)))
}

func TestPackageCommentRuleCatches(t *testing.T) {
	wantComplaints(t, packageComments([]source{
		parse(t, "good/a.go", "// Package good is good.\npackage good\n"),
		parse(t, "good/b.go", "package good\n"),
		parse(t, "good/b_test.go", "package good\n"),
		parse(t, "good/c.go", "//go:build linux\n\npackage good\n"),
		parse(t, "good/cmd/main.go", "// Good is a command.\npackage main\n"),
		parse(t, "none/a.go", "package none\n"),
		parse(t, "onlytests/a_test.go", "package onlytests\n"),
		parse(t, "twice/a.go", "// Package twice is here.\npackage twice\n"),
		parse(t, "twice/b.go", "// Package twice is here, too.\npackage twice\n"),
		parse(t, "wrong/a.go", "// This package is named otherwise.\npackage wrong\n"),
	}), "none", "onlytests", "twice", "wrong")
}

// packageComments complains about packages that do not have exactly one
// package comment, or one that does not begin as godoc expects.
func packageComments(all []source) []string {
	comments := map[string][]source{} // by folder
	for _, s := range all {
		with := comments[s.dir()]
		if strings.TrimSpace(s.ast.Doc.Text()) != "" {
			with = append(with, s)
		}
		comments[s.dir()] = with
	}
	var complaints []string
	for _, dir := range slices.Sorted(maps.Keys(comments)) {
		with := comments[dir]
		if len(with) != 1 {
			var names []string
			for _, s := range with {
				names = append(names, s.path)
			}
			complaints = append(complaints, fmt.Sprintf("%s: %d package comments %q, want one", dir, len(with), names))
			continue
		}
		s := with[0]
		if name := s.ast.Name.Name; name != "main" && !strings.HasPrefix(s.ast.Doc.Text(), "Package "+name+" ") {
			complaints = append(complaints, s.path+`: the package comment must begin with "Package `+name+` "`)
		}
	}
	return complaints
}

package repo

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEachDependencyHasItsReason(t *testing.T) {
	report(t, unexplained(usedModules(sources(t), modules(t)), readFile(t, "docs/decisions.md")))
}

func TestDependencyRuleCatches(t *testing.T) {
	const decisions = "# Decisions\n\n## Dependencies\n\n" +
		"- `example.com/used`: does what we need, is kept well.\n" +
		"- `example.com/bare`:\n" +
		"- `example.com/gone`: was useful until last year.\n" +
		"\n## Else\n\n- `example.com/elsewhere`: this is not the list.\n"
	wantComplaints(t, unexplained(
		[]string{"example.com/used", "example.com/bare", "example.com/new"}, decisions),
		"example.com/bare", "example.com/new", "example.com/gone")
}

// usedModules returns the modules of others that our code imports, tests and
// the benchmark included.
func usedModules(all []source, known []string) []string {
	var used []string
	for _, s := range all {
		for _, imported := range s.imports() {
			m := moduleOf(imported, known)
			if m != "" && m != modulePath && !slices.Contains(used, m) {
				used = append(used, m)
			}
		}
	}
	slices.Sort(used)
	return used
}

// dependencyLine is an entry of the list of dependencies: the module, then
// the reason, which may go on in the lines that follow.
var dependencyLine = regexp.MustCompile("(?m)^- ((?:`[^`]+`(?:, | and )?)+):(?: ([^\n]{10,}))?")

// unexplained complains about modules that the section Dependencies has no
// sentence about, and about sentences for which there is no module any more.
func unexplained(used []string, decisions string) []string {
	_, section, found := strings.Cut(decisions, "\n## Dependencies\n")
	if !found {
		return []string{"docs/decisions.md has no section Dependencies"}
	}
	section, _, _ = strings.Cut(section, "\n## ")

	var complaints, explained []string
	for _, entry := range dependencyLine.FindAllStringSubmatch(section, -1) {
		if entry[2] == "" {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(entry[1], -1) {
			explained = append(explained, m[1])
		}
	}
	for _, m := range used {
		if !slices.Contains(explained, m) {
			complaints = append(complaints, "docs/decisions.md gives no reason for "+m)
		}
	}
	for _, m := range explained {
		if !slices.Contains(used, m) {
			complaints = append(complaints, "docs/decisions.md explains "+m+", which nothing imports")
		}
	}
	return complaints
}

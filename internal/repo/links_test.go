package repo

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestLinksInDocumentsLeadSomewhere(t *testing.T) {
	all := files(t)
	text := map[string]string{}
	for _, name := range all {
		if path.Ext(name) == ".md" {
			text[name] = readFile(t, name)
		}
	}
	report(t, badLinks(all, text))
}

func TestLinkRuleCatches(t *testing.T) {
	all := []string{"README.md", "eds/doc.go", "docs/README.md", "docs/a.md", "docs/orphan.md"}
	wantComplaints(t, badLinks(all, map[string]string{
		"README.md":      "[docs](docs/README.md), [code](eds), [web](https://example.com/x), [gone](docs/gone.md)",
		"docs/README.md": "[a](a.md#part)\n```text\nf[x](y)\n```\n",
		"docs/a.md":      "[up](../README.md) [lost](nowhere.md)",
		"docs/orphan.md": "",
	}), "README.md: links to docs/gone.md", "docs/a.md: links to docs/nowhere.md", "docs/README.md: does not list docs/orphan.md")
}

var (
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fencedBlock  = regexp.MustCompile("(?ms)^\\s*```.*?^\\s*```")
)

// badLinks complains about links to files that are not there, and about pages
// in docs that its index does not list.
func badLinks(all []string, text map[string]string) []string {
	var complaints, listed []string
	for _, name := range all {
		prose := fencedBlock.ReplaceAllString(text[name], "")
		for _, link := range markdownLink.FindAllStringSubmatch(prose, -1) {
			target, _, _ := strings.Cut(link[1], "#")
			if target == "" || strings.Contains(target, ":") {
				continue // within the page, or somewhere else on the web
			}
			target = path.Join(path.Dir(name), target)
			if name == "docs/README.md" {
				listed = append(listed, target)
			}
			if !slices.ContainsFunc(all, func(file string) bool {
				return file == target || strings.HasPrefix(file, target+"/")
			}) {
				complaints = append(complaints, fmt.Sprintf("%s: links to %s, which is not there", name, target))
			}
		}
	}
	for _, name := range all {
		page := strings.HasPrefix(name, "docs/") && path.Ext(name) == ".md" && name != "docs/README.md"
		if page && !slices.Contains(listed, name) {
			complaints = append(complaints, "docs/README.md: does not list "+name)
		}
	}
	return complaints
}

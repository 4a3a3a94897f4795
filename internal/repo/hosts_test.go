package repo

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNoHostOfARegistryInTheTree(t *testing.T) {
	var complaints []string
	for _, name := range files(t) {
		if text := readFile(t, name); utf8.ValidString(text) {
			complaints = append(complaints, localPlaces(name, text)...)
		}
	}
	report(t, complaints)
}

func TestHostRuleCatches(t *testing.T) {
	wantComplaints(t, localPlaces("a", strings.Join([]string{
		"GO" + "PROXY=https://proxy." + "golang.org",
		"image: docker." + "io/library/redis:7",
		"cd /ro" + "ot/src",
		"see https://pkg.go.dev/net/http and https://redis.io/docs",
		"cd /ho" + "me/someone/eds",
	}, "\n")), "a:1", "a:2", "a:3", "a:5")
}

// localPlace matches what ties a file to where it was written: the hosts of
// package registries, which differ from one company to the next, and paths of
// one machine. (It does not match itself, since it is full of backslashes.)
var localPlace = regexp.MustCompile(strings.Join([]string{
	`\bGOPROXY=http`,
	`\b(proxy|sum|index)\.golang\.org\b`,
	`\bregistry\.npmjs\.org\b`,
	`\bpypi\.org\b`,
	`\bpythonhosted\.org\b`,
	`\b(index|static)\.crates\.io\b`,
	`\brepo1\.maven\.org\b`,
	`\brepo\.maven\.apache\.org\b`,
	`\b(docker|ghcr|quay|gcr)\.io/`,
	`\bdeb\.debian\.org\b`,
	`\barchive\.ubuntu\.com\b`,
	`(^|[\s"'(=])/(root|work|home/\w+)/`,
}, "|"))

// localPlaces complains about each line with such a place.
func localPlaces(name, text string) []string {
	var complaints []string
	for i, line := range strings.Split(text, "\n") {
		if found := localPlace.FindString(line); found != "" {
			complaints = append(complaints, fmt.Sprintf("%s:%d: %q holds on some machines only", name, i+1, found))
		}
	}
	return complaints
}

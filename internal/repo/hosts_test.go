package repo

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNoHostOfARegistryInTheTree(t *testing.T) {
	var complaints []string
	for _, name := range files(t) {
		if name == "internal/repo/hosts_test.go" {
			continue // it has to name them
		}
		if text := readFile(t, name); utf8.ValidString(text) {
			complaints = append(complaints, localPlaces(name, text)...)
		}
	}
	report(t, complaints)
}

func TestHostRuleCatches(t *testing.T) {
	wantComplaints(t, localPlaces("a", strings.Join([]string{
		"GOPROXY=https://proxy.golang.org",
		"image: docker.io/library/redis:7",
		"cd /root/src",
		"see https://pkg.go.dev/net/http, https://redis.io/docs and https://example.com/work/",
		"/home/someone/eds",
	}, "\n")), "a:1", "a:2", "a:3", "a:5")
}

// Both tie a file to where it was written: the hosts of package registries,
// which differ from one company to the next, and the paths of one machine.
var (
	registries = []string{
		"proxy.golang.org", "sum.golang.org", "index.golang.org",
		"registry.npmjs.org", "pypi.org", "pythonhosted.org", "index.crates.io", "static.crates.io",
		"repo1.maven.org", "repo.maven.apache.org",
		"docker.io/", "ghcr.io/", "quay.io/", "gcr.io/",
		"deb.debian.org", "archive.ubuntu.com",
	}
	machinePaths = []string{"/root/", "/work/", "/home/"}
)

// localPlaces complains about each line with such a place.
func localPlaces(name, text string) []string {
	var complaints []string
	for i, line := range strings.Split(text, "\n") {
		for _, host := range registries {
			if strings.Contains(line, host) {
				complaints = append(complaints, fmt.Sprintf("%s:%d: %s is a registry of some networks only", name, i+1, host))
			}
		}
		for _, p := range machinePaths {
			// Where the path begins a word; within an URL it is another thing.
			if at := strings.Index(line, p); at == 0 || at > 0 && strings.ContainsRune(" \t\"'`(=", rune(line[at-1])) {
				complaints = append(complaints, fmt.Sprintf("%s:%d: %s is there on some machines only", name, i+1, p))
			}
		}
	}
	return complaints
}

package eds

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
)

// The order of our own middleware that an App insists on, by name. A
// middleware that appears twice or not at all is not judged; nor is one that
// somebody wrapped, since a function has no other identity than its name.
var order = []struct {
	outer, inner string
	why          string
}{
	{"dedupe", "retry", "a retry would find its own event in progress"},
	{"dedupe", "deadLetter", "a dead letter would not be remembered as done, and its duplicate would run"},
	{"deadLetter", "retry", "an event would be dead-lettered before it was retried"},
	{"retry", "timeout", "all attempts would share one time limit, and the first slow one would use it up"},
	{"retry", "recovery", "a panic would pass the retry by"},
	{"deadLetter", "recovery", "a panic would pass the dead letter by"},
	{"timeout", "recovery", "a panic would pass the time limit by"},
	{"deadLetter", "timeout", "the dead letter would have no time left to be written"},
	{"dedupe", "timeout", "the record would have no time left to be written"},
	{"tracing", "logging", "the log line would lack the span's ids"},
	{"tracing", "dedupe", "duplicates would not be traced"},
	{"metrics", "dedupe", "duplicates would not be counted"},
	{"logging", "dedupe", "duplicates would not be logged"},
}

const middlewarePath = "github.com/eventdelivery/eds-go/middleware.(*"

// middlewareName names a middleware for an error message: the type behind a
// method value of our own middleware package, else the function's full name.
func middlewareName(m Middleware) (name string, ours bool) {
	name = runtime.FuncForPC(reflect.ValueOf(m).Pointer()).Name()
	if rest, ok := strings.CutPrefix(name, middlewarePath); ok {
		name, _, _ = strings.Cut(rest, ")")
		// A type whose plain name is taken by an imported package has a longer one.
		return strings.TrimSuffix(name, "Middleware"), true
	}
	return name, false
}

// checkOrder returns an error for each pair of middleware that is wired the
// wrong way round.
func checkOrder(mws []Middleware) []error {
	place := make(map[string]int, len(mws))
	twice := make(map[string]bool)
	for i, m := range mws {
		name, ours := middlewareName(m)
		if !ours {
			continue
		}
		if _, seen := place[name]; seen {
			twice[name] = true
		}
		place[name] = i
	}
	var mistakes []error
	for _, rule := range order {
		outer, ok := place[rule.outer]
		if !ok || twice[rule.outer] || twice[rule.inner] {
			continue
		}
		if inner, ok := place[rule.inner]; ok && inner < outer {
			mistakes = append(mistakes, fmt.Errorf(
				"eds: middleware %s is outside of %s: %s; add %s first",
				rule.inner, rule.outer, rule.why, rule.outer))
		}
	}
	return mistakes
}

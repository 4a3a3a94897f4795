package main

import (
	"fmt"
	"reflect"

	"github.com/alecthomas/kong"
)

// given are the flags of a command line, without those that only a variable or
// a default has set.
type given []*kong.Flag

func givenIn(parsed *kong.Context) (all given) {
	for _, p := range parsed.Path {
		if p.Flag != nil && !p.Resolved {
			all = append(all, p.Flag)
		}
	}
	return all
}

func (g given) has(name string) bool {
	for _, f := range g {
		if f.Name == name {
			return true
		}
	}
	return false
}

// of returns the first flag of a group, as it would be typed.
func (g given) of(group string) (typed string, ok bool) {
	for _, f := range g {
		if f.Group != nil && f.Group.Key == group {
			return fmt.Sprintf("--%s %q", f.Name, fmt.Sprint(reflect.Indirect(f.Target))), true
		}
	}
	return "", false
}

// alternative is one of several settings of which one counts.
type alternative struct {
	name  string
	value *string // "" for none
	shown string
}

// one leaves one of the alternatives at most. A flag wins over a variable;
// otherwise two are a contradiction.
func (g given) one(all ...alternative) error {
	var flags, set []alternative
	for _, a := range all {
		if *a.value == "" {
			continue
		}
		if set = append(set, a); g.has(a.name) {
			flags = append(flags, a)
		}
	}
	if len(flags) > 0 {
		set = flags
	}
	if len(set) > 1 {
		return fmt.Errorf("--%s %q: cannot be together with --%s %q", set[0].name, set[0].shown, set[1].name, set[1].shown)
	}
	for _, a := range all {
		if len(set) == 1 && a.value != set[0].value {
			*a.value = ""
		}
	}
	return nil
}

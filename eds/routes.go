package eds

import (
	"fmt"
	"slices"
	"strings"
)

// routes finds the handler for an event type: the exact name first, then the
// longest prefix.
type routes struct {
	exact    map[string]Handler
	prefixes []prefixRoute // longest first
}

type prefixRoute struct {
	prefix  string
	handler Handler
}

func (r *routes) add(pattern string, h Handler) error {
	prefix, isPrefix := strings.CutSuffix(pattern, "*")
	switch {
	case pattern == "":
		return &ConfigError{"Handle pattern", pattern, "must not be empty; use \"*\" for all types"}
	case strings.Contains(prefix, "*"):
		return &ConfigError{"Handle pattern", pattern, "may have a * at its end only"}
	case !isPrefix:
		if _, taken := r.exact[pattern]; taken {
			return fmt.Errorf("eds: two handlers for event type %q", pattern)
		}
		if r.exact == nil {
			r.exact = make(map[string]Handler)
		}
		r.exact[pattern] = h
		return nil
	}
	at := len(r.prefixes)
	for i, have := range r.prefixes {
		if have.prefix == prefix {
			return fmt.Errorf("eds: two handlers for event types %q", pattern)
		}
		if at == len(r.prefixes) && len(have.prefix) < len(prefix) {
			at = i
		}
	}
	r.prefixes = slices.Insert(r.prefixes, at, prefixRoute{prefix, h})
	return nil
}

// lookup returns nil when no handler takes the type.
func (r *routes) lookup(eventType string) Handler {
	if h, ok := r.exact[eventType]; ok {
		return h
	}
	for _, p := range r.prefixes {
		if strings.HasPrefix(eventType, p.prefix) {
			return p.handler
		}
	}
	return nil
}

func (r *routes) empty() bool { return len(r.exact) == 0 && len(r.prefixes) == 0 }

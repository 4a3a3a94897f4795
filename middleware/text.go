package middleware

import (
	"strings"
	"unicode/utf8"
)

// Limits of strings that come from outside, in bytes, before they go to a
// log, a span or a dead letter.
const (
	wireLimit  = 256
	errorLimit = 1024
	stackLimit = 8 << 10
)

// clip returns s as valid UTF-8 of at most n bytes and an ellipsis. Valid,
// since OTLP exporters refuse a whole batch for one string that is not.
func clip(s string, n int) string {
	whole := len(s) <= n
	if whole && utf8.ValidString(s) {
		return s
	}
	s = strings.ToValidUTF8(prefix(s, n), "\uFFFD")
	if whole = whole && len(s) <= n; whole {
		return s
	}
	return prefix(s, n) + "…"
}

// prefix cuts between runes.
func prefix(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

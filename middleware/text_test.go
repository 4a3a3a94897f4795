package middleware

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClip(t *testing.T) {
	for in, want := range map[string]string{
		"":               "",
		"short":          "short",
		"12345678":       "12345678",
		"123456789":      "12345678…",
		"1234567ä":       "1234567…", // not through a rune
		"a\xffb":         "a\uFFFDb",
		"\xffa\xffa\xff": "\uFFFDa\uFFFDa…", // the replacements count, too
	} {
		if got := clip(in, 8); got != want {
			t.Errorf("clip(%q) is %q, want %q", in, got, want)
		}
	}
}

func FuzzClip(f *testing.F) {
	f.Add("\xff\xfe\xfd", 4)
	f.Add(strings.Repeat("ü", 10), 7)
	f.Fuzz(func(t *testing.T, s string, n int) {
		n = 4 + n&0xff
		got := clip(s, n)
		if !utf8.ValidString(got) || len(got) > n+len("…") {
			t.Errorf("clip(%q, %d) is %q", s, n, got)
		}
		if utf8.ValidString(s) && len(s) <= n && got != s {
			t.Errorf("clip(%q, %d) changed it to %q", s, n, got)
		}
	})
}

package program

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxLine is what is shown of a line, maxLast what an error has of it.
	maxLine = 4 << 10
	maxLast = 512
)

// lines cuts what a program writes into lines that are fit to be shown, and
// remembers the last one that says anything. It holds one line at most.
type lines struct {
	to   func(line []byte)
	part []byte // of the line that has not ended
	more bool   // the line is longer than part
	last string
}

// Write never fails: a program must not notice who reads.
func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for {
		line, rest, ended := bytes.Cut(p, []byte{'\n'})
		if room := maxLine - len(l.part); len(line) > room {
			line, l.more = line[:room], true
		}
		l.part = append(l.part, line...)
		if !ended {
			return n, nil
		}
		l.end()
		p = rest
	}
}

// flush ends a last line that lacks its line break.
func (l *lines) flush() {
	if len(l.part) > 0 {
		l.end()
	}
}

func (l *lines) end() {
	text := safe(string(bytes.TrimSuffix(l.part, []byte{'\r'})))
	if l.more {
		text = strings.TrimRight(text, "\uFFFD") + "…" // the cut may have torn a character
	}
	if said := strings.TrimSpace(text); said != "" {
		l.last = said
	}
	l.to(append([]byte(text), '\n'))
	l.part, l.more = l.part[:0], false
}

// safe replaces what is not text: invalid UTF-8, and characters that steer a
// terminal or turn the direction of writing. Tabs stay.
func safe(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && !unicode.IsGraphic(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// clip returns at most n bytes of s and an ellipsis.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

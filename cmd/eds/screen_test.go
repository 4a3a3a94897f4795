package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// glass is a terminal that understands what screen writes to it: text, line
// breaks and erasing the current line.
type glass struct {
	rows []string
	now  string
}

func (g *glass) Write(p []byte) (int, error) {
	for text := string(p); text != ""; {
		if rest, ok := strings.CutPrefix(text, eraseLine); ok {
			g.now, text = "", rest
			continue
		}
		if text[0] == '\n' {
			g.rows, g.now = append(g.rows, g.now), ""
		} else {
			g.now += text[:1]
		}
		text = text[1:]
	}
	return len(p), nil
}

func (g *glass) shows(t *testing.T, live string, rows ...string) {
	t.Helper()
	if got := strings.Join(g.rows, "|"); got != strings.Join(rows, "|") || g.now != live {
		t.Errorf("the terminal shows %q and below it %q", got, g.now)
	}
}

// The live line stays below the log and below what is printed on the same
// terminal, is never longer than a row, and stays as it was at the end.
func TestScreenLiveLine(t *testing.T) {
	var g glass
	s := &screen{w: &g, width: func() int { return 12 }}
	out := above{s, &g}
	io.WriteString(s, "early\n")
	g.shows(t, "", "early")
	s.draw("one · two · three · four")
	g.shows(t, "one · two ·", "early")
	io.WriteString(s, "log\n")
	io.WriteString(out, "{line}\n")
	g.shows(t, "one · two ·", "early", "log", "{line}")
	s.draw("three")
	g.shows(t, "three", "early", "log", "{line}")
	s.leave("the end")
	io.WriteString(s, "late\n")
	g.shows(t, "", "early", "log", "{line}", "the end", "late")
}

// A pipe gets the log alone.
func TestScreenPlain(t *testing.T) {
	var b bytes.Buffer
	s := newScreen(&b)
	if s.beside(&b) != io.Writer(&b) {
		t.Error("stdout is not itself")
	}
	s.show(apps{{app: eds.New(nil)}})()
	io.WriteString(s, "log\n")
	if b.String() != "log\n" {
		t.Errorf("%q", b.String())
	}
}

// The line is drawn while the App runs, and once more at its end.
func TestScreenShows(t *testing.T) {
	var g glass
	s := &screen{w: &g, width: func() int { return 80 }}
	s.show(apps{{app: eds.New(nil)}})()
	g.shows(t, "", "connecting · 0 handled")
}

// A failed write to stdout must not be lost on the way.
func TestScreenPassesErrors(t *testing.T) {
	broken := errors.New("broken")
	s := &screen{w: io.Discard, live: "x"}
	if _, err := (above{s, writeError{broken}}).Write([]byte("line")); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type writeError struct{ err error }

func (w writeError) Write([]byte) (int, error) { return 0, w.err }

func TestLiveLine(t *testing.T) {
	h := eds.Health{Transport: eds.Status{State: eds.Standby}, Running: 1, Queued: 2, OldestUnacked: 11400 * time.Millisecond}
	h.Outcomes = eds.Outcomes{eds.Handled: 5, eds.Duplicate: 4, eds.Unsupported: 3, eds.DeadLetter: 2, eds.Failed: 7, eds.Redelivered: 1}
	const want = "standby · 5 handled · 4 duplicate · 3 other types · 2 dead-lettered · 7 failed · 1 to come again · 3 at work · oldest 11s"
	if got := liveLine(h); got != want {
		t.Error(got)
	}
}

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/eventdelivery/eds-go/eds"
)

// screen is stderr. For a person at a terminal it keeps a line of counts below
// the log; anybody else gets the log alone.
type screen struct {
	w     io.Writer
	width func() int // of the terminal; nil when w is none

	mu   sync.Mutex
	live string
}

func newScreen(w io.Writer) *screen {
	s := &screen{w: w}
	if f, ok := terminal(w); ok {
		s.width = func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil || width < 1 {
				return 80
			}
			return width
		}
	}
	return s
}

func terminal(w any) (*os.File, bool) {
	f, ok := w.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// beside returns what to write stdout with, which may be the same terminal.
func (s *screen) beside(out io.Writer) io.Writer {
	if _, ok := terminal(out); !ok || s.width == nil {
		return out
	}
	return above{s, out}
}

// above writes above the live line.
type above struct {
	s *screen
	w io.Writer
}

func (a above) Write(p []byte) (int, error) { return a.s.above(a.w, p) }

const eraseLine = "\r\x1b[K"

// Write puts log output above the live line.
func (s *screen) Write(p []byte) (int, error) { return s.above(s.w, p) }

func (s *screen) above(w io.Writer, p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == "" {
		return w.Write(p)
	}
	if _, err := io.WriteString(s.w, eraseLine); err != nil {
		return 0, err
	}
	n, err := w.Write(p)
	if err == nil {
		_, err = io.WriteString(s.w, s.live)
	}
	return n, err
}

// show keeps the live line up to date until the returned function is called.
func (s *screen) show(apps apps) (stop func()) {
	if s.width == nil {
		return func() {}
	}
	done := make(chan struct{})
	var drawing sync.WaitGroup
	drawing.Go(func() {
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			s.draw(apps.line())
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		drawing.Wait()
		s.leave(apps.line())
	}
}

// draw shows another line. It is cut at the terminal's width: a line that
// wraps cannot be erased.
func (s *screen) draw(line string) {
	line = firstRunes(line, s.width()-1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if line == s.live {
		return
	}
	s.live = line
	_, _ = io.WriteString(s.w, eraseLine+line)
}

// leave shows the last line, which stays where it is.
func (s *screen) leave(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = ""
	_, _ = io.WriteString(s.w, eraseLine+line+"\n")
}

func firstRunes(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i]
		}
	}
	return s
}

// liveLine is what a person wants to know at a glance. What did not happen is
// left out.
func liveLine(h eds.Health) string {
	o := h.Outcomes
	var line strings.Builder
	fmt.Fprintf(&line, "%s · %d handled", h.Transport.State, o[eds.Handled])
	for _, part := range []struct {
		n    uint64
		what string
	}{
		{o[eds.Duplicate], "duplicate"}, {o[eds.Unsupported], "other types"},
		{o[eds.DeadLetter], "dead-lettered"}, {o[eds.Failed], "failed"},
		{o[eds.Redelivered], "to come again"}, {uint64(h.Running + h.Queued), "at work"},
	} {
		if part.n > 0 {
			fmt.Fprintf(&line, " · %d %s", part.n, part.what)
		}
	}
	if h.OldestUnacked > 10*time.Second {
		fmt.Fprintf(&line, " · oldest %s", h.OldestUnacked.Round(time.Second))
	}
	return line.String()
}

package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/eventdelivery/eds-go/eds"
)

// screen is stderr. For a person at a terminal it keeps a line of counts below
// the log; anybody else gets the log alone.
type screen struct {
	w        io.Writer
	terminal bool

	mu   sync.Mutex
	live string
}

func newScreen(w io.Writer) *screen {
	f, ok := w.(*os.File)
	return &screen{w: w, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

const eraseLine = "\r\x1b[K"

// Write puts log output above the live line.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == "" {
		return s.w.Write(p)
	}
	if _, err := fmt.Fprint(s.w, eraseLine); err != nil {
		return 0, err
	}
	n, err := s.w.Write(p)
	if err == nil {
		_, err = fmt.Fprint(s.w, s.live)
	}
	return n, err
}

// show keeps the live line up to date until the returned function is called.
func (s *screen) show(app *eds.App) (stop func()) {
	if !s.terminal {
		return func() {}
	}
	done := make(chan struct{})
	var drawing sync.WaitGroup
	drawing.Go(func() {
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			s.draw(liveLine(app.Health()))
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
		s.draw(liveLine(app.Health()) + "\n")
	}
}

func (s *screen) draw(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = line
	fmt.Fprint(s.w, eraseLine, line)
}

func liveLine(h eds.Health) string {
	o := h.Outcomes
	line := fmt.Sprintf("%s · %d handled · %d duplicate · %d other types · %d dead-lettered · %d to come again · %d at work",
		h.Transport.State, o[eds.Handled], o[eds.Duplicate], o[eds.Unsupported],
		o[eds.DeadLetter]+o[eds.Failed], o[eds.Redelivered], h.Running+h.Queued)
	if h.OldestUnacked > 10*time.Second {
		line += fmt.Sprintf(" · oldest %s", h.OldestUnacked.Round(time.Second))
	}
	return line
}

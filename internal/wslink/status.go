package wslink

import (
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// Status tells how the connection is.
func (l *Link[S]) Status() eds.Status {
	s, connected := l.Session()
	l.mu.Lock()
	st := eds.Status{State: l.state, Since: l.since, LastRead: l.lastRead, Connects: l.connects, Err: l.lastErr}
	l.mu.Unlock()
	if !connected {
		return st
	}
	line := s.line()
	if read := line.Conn.LastRead(); !read.IsZero() {
		st.LastRead = read
	}
	switch {
	case line.Conn.Err() != nil && st.State == eds.Connected:
		// It broke while nobody was in Do.
		st.State = eds.Connecting
	case st.State == eds.Standby && time.Since(line.Since) >= settled:
		st.State, st.Since = eds.Connected, line.Since
	}
	return st
}

// believe notes that the connection was no refusal in disguise.
func (l *Link[S]) believe() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enter(eds.Connected)
}

// enter changes the state. The caller holds the lock. Closed is final, and so
// is Refused: a process that lives on after it must not look healthy.
func (l *Link[S]) enter(s eds.State) {
	if l.state == s || l.state == eds.Closed || l.state == eds.Refused {
		return
	}
	l.state, l.since = s, time.Now()
}

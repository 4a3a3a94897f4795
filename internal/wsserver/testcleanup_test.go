package wsserver

import (
	"fmt"
	"strings"
	"testing"
)

// fakeTB is a test that has failed or not.
type fakeTB struct {
	failed bool
	atEnd  func()
	logged []string
}

func (f *fakeTB) Helper()              {}
func (f *fakeTB) Cleanup(atEnd func()) { f.atEnd = atEnd }
func (f *fakeTB) Failed() bool         { return f.failed }
func (f *fakeTB) Logf(format string, args ...any) {
	f.logged = append(f.logged, fmt.Sprintf(format, args...))
}

// line is a record.
type line int

func (l line) String() string { return fmt.Sprint("record ", int(l)) }

type closer struct {
	closed bool
	past   []line
}

func (c *closer) Close()          { c.closed = true }
func (c *closer) History() []line { return c.past }

func TestHistoryIsShownWhenTheTestFailed(t *testing.T) {
	past := make([]line, shownRecords+5)
	for i := range past {
		past[i] = line(i)
	}
	for _, failed := range []bool{false, true} {
		tb, server := &fakeTB{failed: failed}, &closer{past: past}
		CloseAtEnd(tb, server)
		if server.closed {
			t.Error("closed too early")
		}
		tb.atEnd()
		if !server.closed {
			t.Error("not closed")
		}
		got := strings.Join(tb.logged, ", ")
		if !failed && got != "" || failed && (len(tb.logged) != shownRecords || !strings.HasPrefix(got, "record 5, ")) {
			t.Errorf("failed %t: logged %d lines: %.30s", failed, len(tb.logged), got)
		}
	}
}

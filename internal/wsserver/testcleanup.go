package wsserver

import "fmt"

// TB is what CloseAtEnd needs of a testing.TB. The command links the stand-ins,
// so nothing here imports package testing.
type TB interface {
	Helper()
	Cleanup(func())
	Failed() bool
	Logf(format string, args ...any)
}

// shownRecords is how much of its history the server of a failed test prints.
const shownRecords = 100

// CloseAtEnd closes a server at the end of the test. When the test has failed,
// the end of the server's history goes to the test's log.
func CloseAtEnd[R fmt.Stringer](t TB, s interface {
	Close()
	History() []R
}) {
	t.Helper()
	t.Cleanup(func() {
		s.Close()
		if !t.Failed() {
			return
		}
		history := s.History()
		for _, r := range history[max(len(history)-shownRecords, 0):] {
			t.Logf("%s", r)
		}
	})
}

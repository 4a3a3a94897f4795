package pulsartest

// TB is what NewTestServer needs of a testing.TB. This package does not import
// package testing, since the command eds links it.
type TB interface {
	Helper()
	Cleanup(func())
	Failed() bool
	Logf(format string, args ...any)
}

// shownRecords is how much of its history the server of a failed test prints.
const shownRecords = 100

// NewTestServer returns a server that is closed at the end of the test. When
// the test has failed, the end of its history goes to the test's log.
func NewTestServer(t TB, opts ...Option) *Server {
	t.Helper()
	s := NewServer(opts...)
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
	return s
}

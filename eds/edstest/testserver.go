package edstest

import "github.com/eventdelivery/eds-go/internal/wsserver"

// TB is what NewTestServer needs of a testing.TB. This package does not import
// package testing, since the command eds links it.
type TB interface {
	Helper()
	Cleanup(func())
	Failed() bool
	Logf(format string, args ...any)
}

// NewTestServer returns a server that is closed at the end of the test. When
// the test has failed, the end of its history goes to the test's log.
func NewTestServer(t TB, opts ...Option) *Server {
	t.Helper()
	s := NewServer(opts...)
	wsserver.CloseAtEnd(t, s)
	return s
}

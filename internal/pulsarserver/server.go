// Package pulsarserver runs a real Apache Pulsar for a test, and breaks it.
//
// It needs the directory of an unpacked Pulsar in EDS_PULSAR_HOME, which `make
// test-pulsar` sets; without it the tests are skipped. So that this command
// runs them, their names begin with TestRealPulsar.
//
// A server takes about 6 s to start, 300 MB of memory and 100 MB of disk. Most
// tests should use the one that Shared hands out, with topics of their own;
// Start is for tests that stop it or that need settings of their own.
package pulsarserver

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Server is a Pulsar standalone: broker, storage and WebSocket service in one
// process, on loopback ports of its own. Its methods fail the test when the
// server does not do as it is told; they may be called by the test's goroutine
// alone.
type Server struct {
	// URL is where its WebSocket service is, ws://HOST:PORT, and Admin its HTTP
	// admin service, http://HOST:PORT. Both are the same after a Restart.
	URL, Admin string

	tb testing.TB
	p  *process
}

// home returns the directory of Pulsar, and skips the test where there is none.
func home(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv("EDS_PULSAR_HOME")
	if dir == "" {
		tb.Skip("SKIPPED, NOT TESTED: there is no Apache Pulsar to test against (make test-pulsar)")
	}
	if _, err := os.Stat(filepath.Join(dir, "bin", "pulsar")); err != nil {
		tb.Fatalf("pulsarserver: EDS_PULSAR_HOME is not the directory of an Apache Pulsar: %v", err)
	}
	return dir
}

// Start starts a server, waits until its WebSocket service lets a producer in,
// and ends it with the test.
func Start(tb testing.TB, options ...Option) *Server {
	tb.Helper()
	p := &process{home: home(tb), dir: tb.TempDir(), settings: settings(options)}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("pulsarserver: the end of its log:\n%s", p.logged())
		}
		p.end(syscall.SIGKILL)
	})
	if err := p.startAnew(); err != nil {
		tb.Fatalf("pulsarserver: %v", err)
	}
	return of(tb, p)
}

func of(tb testing.TB, p *process) *Server {
	return &Server{URL: "ws://" + p.web, Admin: "http://" + p.web, tb: tb, p: p}
}

// Stop ends the server as an operator does, with SIGTERM: it closes its
// connections in good order and keeps its data. Of a server that was ended
// before it does nothing.
func (s *Server) Stop() { s.p.end(syscall.SIGTERM) }

// Kill ends the server with SIGKILL. It may be called again.
func (s *Server) Kill() { s.p.end(syscall.SIGKILL) }

// Restart stops the server, if it is running, and starts it again at the same
// address with the same data. After a Kill that takes twice as long.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Stop()
	if err := s.p.start(); err != nil {
		s.tb.Fatalf("pulsarserver: %v", err)
	}
}

// Pause freezes the server: it neither answers nor refuses.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.tb.Helper()
	if err := s.p.signal(sig); err != nil {
		s.tb.Fatalf("pulsarserver: %v: %v", sig, err)
	}
}

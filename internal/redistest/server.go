// Package redistest runs a real redis-server for a test, and breaks it.
package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server is a redis-server of one test, on a loopback port of its own. Its
// methods fail the test when the server does not do as it is told.
type Server struct {
	// Addr is its HOST:PORT, the same after a Restart.
	Addr string

	tb   testing.TB
	dir  string
	args []string
	// config, where set, returns the arguments in place of the usual ones.
	config func(host, port string) []string
	cmd    *exec.Cmd
	done   chan struct{} // closed when cmd has ended
}

// Start starts a server with these arguments added to its command line, such
// as "--maxmemory", "10mb", and stops it at the end of the test. By default
// it keeps nothing on disk. Where there is no redis-server the test is
// skipped, except under CI, where it fails.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return run(tb, &Server{args: args})
}

func run(tb testing.TB, s *Server) *Server {
	tb.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			tb.Fatalf("redistest: redis-server is not installed (apt-get install redis-server): %v", err)
		}
		tb.Skipf("SKIPPED, NOT TESTED: redis-server is not installed (apt-get install redis-server): %v", err)
	}
	s.tb, s.dir = tb, tb.TempDir()
	tb.Cleanup(s.Kill)
	// A port that was free a moment ago may be taken when the server starts.
	var err error
	for try := range 5 {
		s.Addr = freeAddr(tb)
		if err = s.start(); err == nil {
			return s
		}
		tb.Logf("redistest: try %d: %v", try+1, err)
	}
	tb.Fatalf("redistest: %v", err)
	return nil
}

func freeAddr(tb testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *Server) start() error {
	if err := s.launch(); err != nil {
		return err
	}
	return s.await(10 * time.Second)
}

// launch starts the server and does not wait until it answers.
func (s *Server) launch() error {
	host, port, _ := net.SplitHostPort(s.Addr)
	args := append([]string{
		"--bind", host, "--port", port, "--dir", s.dir,
		"--save", "", "--appendonly", "no", "--daemonize", "no",
		"--logfile", filepath.Join(s.dir, "log"),
		"--repl-diskless-sync-delay", "0", // a replica need not wait for others
	}, s.args...)
	if s.config != nil {
		args = s.config(host, port)
	}
	refuseLargeFiles()
	s.cmd = exec.Command("redis-server", args...)
	if err := s.cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	s.done = done
	cmd := s.cmd
	go func() {
		cmd.Wait()
		close(done)
	}()
	return nil
}

// await returns once the server answers.
func (s *Server) await(limit time.Duration) error {
	c := redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1, DialTimeout: time.Second, ReadTimeout: time.Second})
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		err := c.Ping(ctx).Err()
		if err == nil || redis.HasErrorPrefix(err, "NOAUTH") {
			return nil
		}
		select {
		case <-s.done:
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("redis-server ended: %s", log)
		case <-ctx.Done():
			return fmt.Errorf("redis-server at %s does not answer: %w", s.Addr, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Client returns a new client of the server, closed at the end of the test.
// Each change is applied to its options.
func (s *Server) Client(changes ...func(*redis.Options)) *redis.Client {
	return NewClient(s.tb, s.Addr, changes...)
}

// NewClient returns a client of addr that is closed at the end of the test.
func NewClient(tb testing.TB, addr string, changes ...func(*redis.Options)) *redis.Client {
	o := &redis.Options{Addr: addr}
	for _, change := range changes {
		change(o)
	}
	c := redis.NewClient(o)
	tb.Cleanup(func() { c.Close() })
	return c
}

// Kill ends the server with SIGKILL. It may be called again.
func (s *Server) Kill() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	s.cmd.Process.Signal(syscall.SIGKILL)
	<-s.done
}

// Pause freezes the server: it neither answers nor refuses.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.tb.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.tb.Fatalf("redistest: %v: %v", sig, err)
	}
}

// Restart kills the server and starts it again at the same address, with what
// it kept on disk, which by default is nothing.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Kill()
	if err := s.start(); err != nil {
		s.tb.Fatalf("redistest: %v", err)
	}
}

// Relaunch is a Restart that does not wait: the server may be loading yet what
// it kept, or not be there.
func (s *Server) Relaunch() {
	s.tb.Helper()
	s.Kill()
	if err := s.launch(); err != nil {
		s.tb.Fatalf("redistest: %v", err)
	}
}

// Wipe makes the server forget everything.
func (s *Server) Wipe() {
	s.tb.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.Addr})
	defer c.Close()
	if err := c.FlushAll(context.Background()).Err(); err != nil {
		s.tb.Fatalf("redistest: %v", err)
	}
}

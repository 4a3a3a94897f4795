package redistest

import (
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
)

// FillDisk has each write fail from now on by which a file of the server would
// get larger than size, as on a full disk. Room ends it; so does a Restart. It
// needs prlimit of util-linux, and skips the test without.
func (s *Server) FillDisk(size int64) {
	s.tb.Helper()
	s.limitFiles(strconv.FormatInt(size, 10))
}

// Room ends what FillDisk began.
func (s *Server) Room() {
	s.tb.Helper()
	s.limitFiles("unlimited")
}

func (s *Server) limitFiles(size string) {
	s.tb.Helper()
	if _, err := exec.LookPath("prlimit"); err != nil {
		s.tb.Skipf("SKIPPED, NOT TESTED: prlimit is not installed: %v", err)
	}
	pid := strconv.Itoa(s.cmd.Process.Pid)
	if out, err := exec.Command("prlimit", "--pid", pid, "--fsize="+size+":unlimited").CombinedOutput(); err != nil {
		s.tb.Fatalf("redistest: prlimit: %v: %s", err, out)
	}
}

// refuseLargeFiles has a server that this process starts get an error where a
// write passes its limit, rather than a signal that ends it.
func refuseLargeFiles() { signal.Ignore(syscall.SIGXFSZ) }

// Ended tells whether the server has ended by itself.
func (s *Server) Ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// Package childtest runs the test binary a second time, as a process that a
// test can kill.
package childtest

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// Start starts the test binary with these variables, NAME=VALUE, added to its
// environment: its TestMain finds there what to do instead of testing. The
// lines that it prints come by the channel, which is closed at its end. It is
// killed at the end of the test at the latest, and fails the test when it has
// written to stderr.
func Start(t *testing.T, env ...string) (*exec.Cmd, <-chan string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), env...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 1024)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			lines <- scan.Text()
		}
	})
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		for range lines {
		}
		reading.Wait()
		_ = cmd.Wait()
		if complaints.Len() > 0 {
			t.Errorf("%s: %s", strings.Join(env, " "), complaints.String())
		}
	})
	return cmd, lines
}

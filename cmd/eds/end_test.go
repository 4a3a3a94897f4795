package main

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/internal/faults"
)

// A second signal ends the command at once.
func TestListenSecondSignal(t *testing.T) {
	faults.Covers(t, "E3")
	srv := service(t)
	id := publish(t, srv, "T", large)
	c := start(t, listening(srv), unread)
	c.untilWriting()
	c.signal(syscall.SIGTERM)
	c.untilLogs("stopping", 1)
	// Which signal is the first that is no longer caught cannot be seen.
	for again := true; again; {
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-c.done:
			again = false
		case <-time.After(20 * time.Millisecond):
		}
	}
	if status := c.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() {
		t.Errorf("ended with %v", c.cmd.ProcessState)
	}
	if got := srv.Queue("orders").Unacked(); !slices.Equal(got, []string{id}) {
		t.Errorf("unacknowledged are %v", got)
	}
}

// A drain that runs out of time is a failure, and leaves what it interrupted.
func TestListenDrainTimeout(t *testing.T) {
	faults.Covers(t, "E2")
	srv := service(t)
	id := publish(t, srv, "T", large)
	c := start(t, listening(srv, "--drain-timeout", "10ms"), unread)
	c.untilWriting()
	c.signal(syscall.SIGTERM)
	c.exits(1)
	if !strings.Contains(c.logged(), "after 10ms") || !strings.Contains(c.logged(), id) {
		t.Errorf("stderr: %s", c.logged())
	}
	if got := srv.Queue("orders").Unacked(); !slices.Equal(got, []string{id}) {
		t.Errorf("unacknowledged are %v", got)
	}
	closedCleanly(t, srv)
}

// A reader that leaves, as `head -n 1` does, ends the command: at the next
// line, or without one where the system can tell.
func TestListenReaderLeaves(t *testing.T) {
	for _, more := range []int{0, 3} {
		if more == 0 && runtime.GOOS == "windows" {
			continue
		}
		srv := service(t)
		first := publish(t, srv, "T", `{}`)
		reads, writes, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		head := exec.Command("head", "-n", "1")
		head.Stdin = reads
		var out strings.Builder
		head.Stdout = &out
		if err := head.Start(); err != nil {
			t.Fatal(err)
		}
		reads.Close()
		c := start(t, listening(srv), stdout(writes))
		writes.Close()
		if err := head.Wait(); err != nil {
			t.Fatal(err)
		}
		var later []string
		if more > 0 {
			later = publishMany(t, srv, more)
		}
		c.exits(1)
		acked(t, srv, first)
		closedCleanly(t, srv)
		if got := srv.Queue("orders").Unacked(); !slices.Equal(got, later) {
			t.Errorf("unacknowledged are %v, not %v", got, later)
		}
		if got := parse(t, out.String()); len(got) != 1 || got[0].ID != first {
			t.Errorf("the reader got %v", ids(got))
		}
		if !strings.Contains(c.logged(), "stdout: ") {
			t.Errorf("stderr: %s", c.logged())
		}
	}
}

// A reader that leaves with the last line that was asked for is no failure.
func TestListenReaderLeavesWithTheLast(t *testing.T) {
	srv := service(t)
	all := publishMany(t, srv, 2)
	reads, writes, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	head := exec.Command("head", "-n", "2")
	head.Stdin = reads
	// The acknowledgement of the last line waits until the reader has left.
	hold := srv.OnReceive(edstest.Acks, edstest.Freeze(), edstest.ForEvent(all[1]))
	if err := head.Start(); err != nil {
		t.Fatal(err)
	}
	reads.Close()
	c := start(t, listening(srv, "--max-events", "2"), stdout(writes))
	writes.Close()
	if err := hold.Wait(watchdog(t), 1); err != nil {
		t.Fatal(err)
	}
	if err := head.Wait(); err != nil {
		t.Fatal(err)
	}
	srv.Queue("orders").Thaw()
	c.exits(0)
	acked(t, srv, all...)
}

// The same before its acknowledgement, which is still to come.
func TestReaderLeavesBeforeTheLastAcknowledgement(t *testing.T) {
	p := &printer{out: io.Discard, limit: 1, end: func(err error) { t.Errorf("ended: %v", err) }}
	if err := p.print(t.Context(), &eds.Event{ID: "x", Type: "T"}); err != nil {
		t.Fatal(err)
	}
	p.readerLeft(syscall.EPIPE)
}

// A reader that leaves in the middle of a line leaves its event with the
// service; the queue is given back all the same.
func TestListenReaderLeavesInMidLine(t *testing.T) {
	srv := service(t)
	id := publish(t, srv, "T", large)
	reads, writes, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, listening(srv), stdout(writes))
	writes.Close()
	if _, err := reads.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	reads.Close()
	c.exits(1)
	closedCleanly(t, srv)
	if got := srv.Queue("orders").Unacked(); !slices.Equal(got, []string{id}) {
		t.Errorf("unacknowledged are %v", got)
	}
}

// A full device is reported, and never success.
func TestListenFullDevice(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	for _, concurrency := range []string{"1", "8"} {
		srv := service(t)
		all := publishMany(t, srv, 5)
		c := start(t, listening(srv, "--max-events", "1", "--concurrency", concurrency), stdout(full))
		c.exits(1)
		if !strings.Contains(c.logged(), "stdout: ") || !strings.Contains(c.logged(), "no space left") {
			t.Errorf("stderr: %s", c.logged())
		}
		if got := srv.Queue("orders").Unacked(); !slices.Equal(got, all) {
			t.Errorf("unacknowledged are %v of %v", got, all)
		}
		closedCleanly(t, srv)
	}
}

// A full disk under the dead letters leaves the event with the service, and
// the others go on.
func TestListenDeadLettersOnFullDisk(t *testing.T) {
	faults.Covers(t, "C10")
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	srv := service(t)
	poison := publishFrame(t, srv, frame(`"eventType":"T"`))
	good := publish(t, srv, "T", `{}`)
	c := start(t, listening(srv, "--dead-letter", "/dev/full"))
	acked(t, srv, good)
	c.untilLogs("no space left", 1)
	srv.Queue("orders").Expire()
	if err := srv.WaitDelivered(watchdog(t), poison, 2); err != nil {
		t.Fatal(err)
	}
	c.untilLogs("no space left", 2)
	c.stops()
	if got := srv.Queue("orders").Unacked(); !slices.Equal(got, []string{poison}) {
		t.Errorf("unacknowledged are %v", got)
	}
}

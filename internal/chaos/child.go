package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// child is a process of the run.
type child struct {
	name  string // such as worker-2.3, the third life of the second worker
	cmd   *exec.Cmd
	log   string // the file that has what it wrote to stderr
	ended chan struct{}
	err   error // of Wait; read it after ended
}

// nursery starts children, and ends them with it.
//
// One goroutine that stays on one thread starts them all: Linux sends
// Pdeathsig when the thread ends that started the child.
type nursery struct {
	orders chan func()
	work   sync.WaitGroup

	mu  sync.Mutex
	all []*child
}

func newNursery() *nursery {
	n := &nursery{orders: make(chan func())}
	n.work.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for start := range n.orders {
			start()
		}
	})
	return n
}

// close kills what still runs, with all that it has started.
func (n *nursery) close() {
	n.mu.Lock()
	all := n.all
	n.mu.Unlock()
	for _, c := range all {
		c.killGroup()
	}
	close(n.orders)
	n.work.Wait()
}

// start starts a process whose stderr goes to the end of the file log.
func (n *nursery) start(name, log string, cmd *exec.Cmd) (*child, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(file, "--- %s %s\n", name, time.Now().UTC().Format(time.RFC3339Nano))
	if cmd.Stdout == nil {
		cmd.Stdout = file
	}
	cmd.Stderr = file
	leash(cmd)
	started := make(chan error)
	n.orders <- func() { started <- cmd.Start() }
	err = <-started
	file.Close()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c := &child{name: name, cmd: cmd, log: log, ended: make(chan struct{})}
	n.mu.Lock()
	n.all = append(n.all, c)
	n.mu.Unlock()
	n.work.Go(func() {
		c.err = cmd.Wait()
		close(c.ended)
	})
	return c, nil
}

// kill ends the process alone, and returns once it is gone.
func (c *child) kill() {
	_ = c.cmd.Process.Signal(syscall.SIGKILL)
	<-c.ended
}

// killGroup also ends what it has started, which may have outlived it.
func (c *child) killGroup() {
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	c.kill()
}

// stop asks the process to end, and returns how it did.
func (c *child) stop(limit time.Duration) error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.ended:
		return c.err
	case <-time.After(limit):
		c.kill()
		return fmt.Errorf("did not end within %v of SIGTERM", limit)
	}
}

// lastWords are the end of the log.
func (c *child) lastWords() string {
	file, err := os.Open(c.log)
	if err != nil {
		return ""
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > 600 {
		_, _ = file.Seek(-600, io.SeekEnd)
	}
	text, _ := io.ReadAll(file)
	return string(text)
}

package main

import (
	"os/exec"
	"syscall"
)

// leash has a process end with the driver, however that ends, and gives it a
// group of its own, so that a Ctrl-C reaches the driver alone.
func leash(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

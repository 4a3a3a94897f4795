//go:build unix && !linux

package main

import (
	"os/exec"
	"syscall"
)

// leash gives a process a group of its own, so that a Ctrl-C reaches the
// driver alone.
func leash(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

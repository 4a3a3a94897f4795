//go:build unix

package program

import (
	"os/exec"
	"syscall"
)

// Shell is the argv with which a shell runs a command line, as in
// New(Shell(`jq .data | mail -s "$EDS_EVENT_TYPE" ops`)): /bin/sh -c on Unix,
// cmd /C on Windows. A pipeline's exit code is that of its last command. A
// command that the shell cannot find is exit code 127, which is final, and
// seen only once there is an event.
func Shell(line string) []string { return []string{"/bin/sh", "-c", line} }

// ofItsOwn gives the program a process group of its own, of which it is the
// first member. A Ctrl-C at the terminal then reaches this process alone, which
// lets the programs finish.
func ofItsOwn(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func terminate(cmd *exec.Cmd) { signalGroup(cmd, syscall.SIGTERM) }

// killAll may be called after the program has ended, when only its children
// are left in the group: a process id is not given out again as long as a
// group has it, nor soon afterwards.
func killAll(cmd *exec.Cmd) { signalGroup(cmd, syscall.SIGKILL) }

func signalGroup(cmd *exec.Cmd, s syscall.Signal) {
	_ = syscall.Kill(-cmd.Process.Pid, s) // ESRCH: nobody is left
}

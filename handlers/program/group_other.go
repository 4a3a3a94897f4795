//go:build !unix

package program

import "os/exec"

// Shell is the argv with which a shell runs a command line: /bin/sh -c on
// Unix, cmd /C on Windows.
func Shell(line string) []string { return []string{"cmd", "/C", line} }

// ofItsOwn does nothing where there are no process groups.
func ofItsOwn(*exec.Cmd) {}

// terminate kills: there is no gentler way that a program could expect.
func terminate(cmd *exec.Cmd) { killAll(cmd) }

func killAll(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

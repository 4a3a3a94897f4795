package main

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers/program"
)

// execSetting is the command line of a program.
type execSetting string

// sink returns what starts the program for each event; what that writes goes
// to w.
func (x execSetting) sink(w io.Writer) (*program.Sink, error) {
	if err := x.check(); err != nil {
		return nil, usageError{err}
	}
	sink, err := program.New(program.Shell(string(x)), program.Output(w))
	if wrong, ok := errors.AsType[*eds.ConfigError](err); ok {
		return nil, usageError{fmt.Errorf("--exec %q: %s", x.shown(), wrong.Reason)}
	}
	return sink, err
}

// check sees that the shell finds the program. It would say that it does not
// of each event, for good.
func (x execSetting) check() error {
	word := x.word()
	if word == "" {
		return errors.New(`--exec "": must not be empty`)
	}
	if runtime.GOOS == "windows" || strings.Trim(word, plainWord) != "" {
		return nil
	}
	//nolint:gosec,noctx // the word is an argument of the shell, not a part of its program
	if exec.Command("/bin/sh", "-c", `command -v -- "$1"`, "sh", word).Run() != nil {
		return fmt.Errorf("--exec %q: there is no such program", word)
	}
	return nil
}

// plainWord are the characters that mean nothing to a shell.
const plainWord = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-"

// shown is what may be shown of it: an argument may be secret, and so may the
// value of a variable before the program's name.
func (x execSetting) shown() string {
	word, _, _ := strings.Cut(x.word(), "=")
	return word
}

// word is the first one: mostly the program's name.
func (x execSetting) word() string {
	words := strings.Fields(string(x))
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

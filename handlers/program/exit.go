package program

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"

	"github.com/eventdelivery/eds-go/eds"
)

const (
	// tryAgain is EX_TEMPFAIL of sysexits.h.
	tryAgain = 75
	// By an exit code of 128 and the number of a signal a shell says that its
	// child was killed. There are 31 signals beside those for real time.
	firstSignal, lastSignal = 128 + 1, 128 + 31
)

// ExitError says that the program ended, but not with exit code 0. Test for it
// with errors.As.
type ExitError struct {
	// Program is its name, as it was passed to New.
	Program string
	// Code is the exit code; -1 when a signal killed it.
	Code int
	// How is "exit status 3", or "signal: killed".
	How string
	// Line is the last line that it wrote to stderr, without white space
	// around it and made safe for terminals, cut off at 512 bytes.
	Line string
	// Cause is why it was interrupted; nil when it was not.
	Cause error
}

func (e *ExitError) Error() string {
	text := "program: " + e.Program + ": " + e.How
	if e.Line != "" {
		text += ": " + e.Line
	}
	if e.Cause != nil {
		text += fmt.Sprintf(" (interrupted: %v)", e.Cause)
	}
	return text
}

// Unwrap returns Cause.
func (e *ExitError) Unwrap() error { return e.Cause }

// ErrorType is a name of low cardinality for metrics and spans: How.
func (e *ExitError) ErrorType() string { return e.How }

// judge reads off the program's end what is to become of the event.
func (s *Sink) judge(state *os.ProcessState, cause error, last string) error {
	if state.Success() {
		return nil
	}
	err := &ExitError{Program: s.argv[0], Code: state.ExitCode(), How: state.String(), Line: clip(last, maxLast), Cause: cause}
	if cause != nil || worthRetrying(err.Code) {
		return err
	}
	return eds.Permanent(err)
}

func worthRetrying(code int) bool {
	return code < 0 || code == tryAgain || code >= firstSignal && code <= lastSignal
}

// reason says what LookPath found, without the name, which stands beside it.
func reason(err error) string {
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "is not in PATH"
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such program"
	case errors.Is(err, fs.ErrPermission):
		return "may not be executed"
	}
	return bare(err).Error()
}

// bare takes the paths off: the program is named in front.
func bare(err error) error {
	if e, ok := errors.AsType[*exec.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return err
}

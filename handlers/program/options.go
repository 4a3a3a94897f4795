package program

import (
	"io"
	"strings"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// defaultGrace fits into the second that a shutdown leaves to interrupted
// handlers (eds.DrainTimeout).
const defaultGrace = 500 * time.Millisecond

// Option is a setting of New.
type Option interface{ apply(*Sink) error }

type option func(*Sink) error

func (o option) apply(s *Sink) error { return o(s) }

// Output shows what programs write to stdout and stderr: each line in one call
// of w.Write, one call at a time. What is longer than 4 KiB is cut off, and
// control characters, with which a line could take over a terminal, become
// U+FFFD. Nothing is added to a line: programs that run side by side say for
// themselves which event they mean ($EDS_EVENT_ID). A w that blocks holds up
// the programs. Without Output the lines are dropped.
func Output(w io.Writer) Option {
	return option(func(s *Sink) error {
		if w == nil {
			return &eds.ConfigError{Setting: "program.Output", Value: "nil", Reason: "must be a writer"}
		}
		s.out = w
		return nil
	})
}

// Env adds variables, NAME=VALUE, to the program's environment. They win over
// those of this process, and may be among those that are left out otherwise.
// The names that this package sets itself are refused. Values are never shown.
func Env(variables ...string) Option {
	return option(func(s *Sink) error {
		for _, v := range variables {
			name, value, ok := strings.Cut(v, "=")
			wrong := func(reason string) error {
				return &eds.ConfigError{Setting: "program.Env", Value: name, Reason: reason}
			}
			switch {
			case !ok:
				// What was meant as a value may be secret.
				return &eds.ConfigError{Setting: "program.Env", Reason: "must be NAME=VALUE"}
			case name == "" || strings.ContainsRune(name, 0):
				return wrong("is not the name of a variable")
			case strings.ContainsRune(value, 0):
				return wrong("has a value with a NUL in it")
			case ours(name):
				return wrong("is set by this package")
			}
			s.env = append(s.env, v)
		}
		return nil
	})
}

// Grace is how long a program that got SIGTERM may take to end before it gets
// SIGKILL. The default is 500 ms: a shutdown that has interrupted its handlers
// leaves them a second. Zero kills at once.
func Grace(d time.Duration) Option {
	return option(func(s *Sink) error {
		if d < 0 {
			return &eds.ConfigError{Setting: "program.Grace", Value: d.String(), Reason: "must not be negative"}
		}
		s.grace = d
		return nil
	})
}

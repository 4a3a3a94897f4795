package program

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/cloudevent"
)

// linger is how long the output of a program that has ended is still read,
// when a child of it holds on to it.
const linger = 2 * time.Second

// Sink starts a program for each event. Its methods may be called
// concurrently; each call has a process of its own, and three or four files.
type Sink struct {
	path  string
	argv  []string
	env   []string // that of this process, and what Env said
	grace time.Duration

	mu  sync.Mutex // guards writes to out
	out io.Writer  // nil: nobody wants to see what it writes
}

// New returns a Sink that starts argv[0] with the arguments that follow. A name
// without a slash is looked up in PATH, once: the Sink keeps the absolute path.
// No shell is involved; see Shell.
//
// The environment is that of this moment. What is wrong with argv or with an
// option is an *eds.ConfigError, which shows the program's name and no argument:
// those may be secret.
func New(argv []string, opts ...Option) (*Sink, error) {
	if len(argv) == 0 || argv[0] == "" {
		return nil, &eds.ConfigError{Setting: "program", Reason: "must be named"}
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return nil, &eds.ConfigError{Setting: "program", Value: argv[0], Reason: reason(err)}
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, &eds.ConfigError{Setting: "program", Value: argv[0], Reason: err.Error()}
	}
	s := &Sink{path: path, argv: slices.Clone(argv), env: inherited(), grace: defaultGrace}
	for _, o := range opts {
		if o == nil {
			continue
		}
		if err := o.apply(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Handle starts the program, hands it e and returns nil once it ended with exit
// code 0. It is an eds.Handler. Otherwise the error is
//
//   - an *ExitError when the program ended otherwise. It is marked with
//     eds.Permanent unless the exit code is 75, a signal killed it, or it was
//     interrupted: then it is worth another try, and wraps the cause with which
//     ctx ended;
//   - what the operating system said when the program could not be started:
//     worth another try, since that is not the event's fault;
//   - the cause with which ctx ended before the program was started.
//
// A program need not read its input. Errors hold neither arguments nor
// payloads, but the last line that the program wrote to stderr: what is in
// that is up to the program.
func (s *Sink) Handle(ctx context.Context, e *eds.Event) error {
	if ctx.Err() != nil {
		return s.failed(context.Cause(ctx))
	}
	stdout, stderr := &lines{to: s.write}, &lines{to: s.write}
	//nolint:gosec,noctx // to run what it is told is what this is for; interrupt ends it, with its children
	cmd := exec.Command(s.path)
	cmd.Args = s.argv
	cmd.Env = append(slices.Clip(s.env), about(ctx, e)...)
	cmd.Stdin = bytes.NewReader(line(e))
	cmd.Stderr = stderr
	if s.out != nil {
		cmd.Stdout = stdout
	}
	cmd.WaitDelay = linger
	ofItsOwn(cmd)
	if err := cmd.Start(); err != nil {
		return s.failed(fmt.Errorf("cannot be started: %w", bare(err)))
	}
	interrupted := s.interruptAtEnd(ctx, cmd)
	// Wait's own error also tells of input that was not read and output that a
	// child keeps open, neither of which counts.
	_ = cmd.Wait()
	var cause error
	if interrupted() {
		cause = context.Cause(ctx)
	}
	stdout.flush()
	stderr.flush()
	return s.judge(cmd.ProcessState, cause, stderr.last)
}

// line is what the program finds on its standard input.
func line(e *eds.Event) []byte {
	return append(cloudevent.Append(make([]byte, 0, 512+len(e.Payload)), e), '\n')
}

// interruptAtEnd ends the program when ctx ends. What it returns is called when
// the program has ended, and tells whether it was interrupted.
func (s *Sink) interruptAtEnd(ctx context.Context, cmd *exec.Cmd) (interrupted func() bool) {
	var kill *time.Timer
	terminated := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(terminated)
		terminate(cmd)
		kill = time.AfterFunc(s.grace, func() { killAll(cmd) })
	})
	return func() bool {
		if stop() {
			return false
		}
		<-terminated
		kill.Stop()
		killAll(cmd) // what is left of its children
		return true
	}
}

// write hands a line to whoever wants to see it.
func (s *Sink) write(line []byte) {
	if s.out == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.out.Write(line) // a log that cannot be written is no reason to stop
}

func (s *Sink) failed(err error) error { return fmt.Errorf("program: %s: %w", s.argv[0], err) }

// String names the program, without its arguments.
func (s *Sink) String() string { return "program " + s.argv[0] }

// GoString is String, so that %#v shows no argument and no environment either.
func (s *Sink) GoString() string { return s.String() }

// Command eds receives events for those who write no Go, from an EDS V2 queue,
// 8x8 Event Streaming, or a topic of Apache Pulsar: it prints them, forwards
// them over HTTP, shares them among machines by Redis, and simulates the
// services.
//
// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 credentials refused.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/eventdelivery/eds-go/eds"
)

const (
	exitFailed  = 1
	exitUsage   = 2
	exitRefused = 3
)

func main() {
	// A reader that goes away must end the command in good order, with the
	// queue given back, instead of by a signal. Taken and not ignored: what is
	// ignored, the programs of --exec would inherit.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, stop) // the second signal is for the operating system
	code := run(ctx, os.Args[1:], stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	os.Exit(code)
}

// stdio is what a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// commands is the command line. Each field is a command; its type says what
// it takes.
type commands struct {
	Listen      listenCommand      `cmd:"" help:"Print the events of a queue or topic, one CloudEvents JSON object per line."`
	Forward     forwardCommand     `cmd:"" help:"Send each event of a queue or topic to an HTTP endpoint."`
	Relay       relayCommand       `cmd:"" set:"concurrency=256" set:"dedupes=memory, off, stream (that of --to)" set:"queues=; may be repeated" help:"Put the events of queues or a topic into a stream of Redis, for eds work."` //nolint:staticcheck // kong reads each set
	Work        workCommand        `cmd:"" set:"dedupe=stream" set:"dedupes=memory, off, stream (that of --from)" help:"Share the events of a stream with other workers, and send each to an HTTP endpoint or a program."`         //nolint:staticcheck // as above
	Simulate    simulateCommand    `cmd:"" help:"Run a local service to receive from."`
	Backlog     backlogCommand     `cmd:"" help:"Show what waits in a spool file or a stream."`
	Deadletters deadlettersCommand `cmd:"" help:"Look at dead letters, and send them again."`
	Version     versionCommand     `cmd:"" help:"Print the version."`

	Log logFlags `embed:"" prefix:"log-"`
}

// groups are the flags of one kind of source each.
var groups = []kong.Group{
	{Key: "eds", Title: "From a queue of EDS:"},
	{Key: "pulsar", Title: "From a topic of Pulsar or 8x8:", Description: "With --subscription as a Consumer, whose place the service keeps; without it as a Reader."},
	{Key: "8x8", Title: "Where the topic is one of 8x8's:"},
}

// run executes one command and returns its exit code.
func run(ctx context.Context, args []string, io stdio) (code int) {
	help := io.out
	if len(args) == 0 { // what to run is missing
		args, help = []string{"--help"}, io.err
		defer func() { code = exitUsage }()
	}
	var all commands
	parser, err := kong.New(&all,
		kong.Name("eds"),
		kong.Description("Receive events that must not get lost, from an Empego EDS V2 queue, 8x8 Event Streaming, or a topic of Apache Pulsar.\n\nA setting can also come from the environment variable that is named beside it; the flag wins."),
		kong.Writers(help, io.err),
		kong.Exit(func(c int) { panic(exited(c)) }), //nolint:forbidigo // --help ends the parsing; recovered below
		kong.ExplicitGroups(groups),
		kong.Vars{"concurrency": "1", "dedupe": "memory", "dedupes": "memory, off", "queues": ""},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		// Without a resolver kong minds a variable that a flag overrules.
		kong.Resolvers(kong.ResolverFunc(func(*kong.Context, *kong.Path, *kong.Flag) (any, error) { return nil, nil })),
	)
	if err != nil {
		fmt.Fprintln(io.err, "eds:", err)
		return exitFailed
	}
	defer func() {
		if v := recover(); v != nil {
			c, ok := v.(exited)
			if !ok {
				panic(v) //nolint:forbidigo // somebody else's
			}
			code = int(c)
		}
	}()
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(io.err, "eds: %v\nRun \"eds --help\", or \"eds COMMAND --help\", for usage.\n", err)
		return exitUsage
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	parsed.Bind(io, &all.Log)
	return report(parsed.Run(), io.err)
}

type exited int

// usageError is a mistake in the flags that only running them shows.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// report says what went wrong, and returns the exit code for it.
func report(err error, w io.Writer) int {
	if err == nil {
		return 0
	}
	// The library's errors already begin with the name.
	fmt.Fprintln(w, "eds:", strings.TrimPrefix(err.Error(), "eds: "))
	var auth *eds.AuthError
	var usage usageError
	switch {
	case errors.As(err, &auth):
		return exitRefused
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFailed
}

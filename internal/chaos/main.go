// Command chaos proves that what runs on several machines loses no event: it
// starts a service, receivers, a Redis and workers as processes of their own,
// kills them at random while events flow, and judges what happened by the
// histories of the service, of the handlers and of the stream.
//
// Exit codes: 0 every promise was kept, 1 one was broken or the run could not
// be made, 2 wrong usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(start(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) //nolint:forbidigo // this is main
}

// The roles of a process of this program that is not the driver, by its first
// argument.
const (
	roleService = "service" // STALE-HOLD
	roleProgram = "program" // URL
)

// start does what the process is there for, and returns its exit code.
func start(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	var err error
	switch {
	case len(args) == 2 && args[0] == roleService:
		err = serve(ctx, args[1], in, out)
	case len(args) == 2 && args[0] == roleProgram:
		return program(ctx, args[1], in, errs)
	default:
		var o options
		if o, err = parse(args, errs); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return 0
			}
			return 2
		}
		err = drive(ctx, o, out)
	}
	if err != nil {
		fmt.Fprintln(errs, "chaos:", err)
		return 1
	}
	return 0
}

// options are what a run is made of.
type options struct {
	Events      int
	Seed        uint64
	Kills       int // of workers and receivers; -1 for one per 1,000 events, 8 at least
	RedisKills  int
	Workers     int
	Concurrency int // of each worker
	Backlog     int // events that are published and not yet handled; 0 for what fits Events
	Fsync       string
	Lease       bool
	Exec        bool
	Work        time.Duration // of a handler, on average
	Fail        float64       // share of the runs that fail before their effect
	MinIdle     time.Duration
	StaleHold   time.Duration
	Patience    time.Duration
	EDS         string // the command; "" builds it
	Dir         string // where logs and the history are kept; "" keeps them only when something went wrong
}

func defaults() options {
	return options{
		Events: 100_000, Kills: -1, Workers: 4, Concurrency: 16, Fsync: "everysec", Work: 4 * time.Millisecond,
		Fail: 0.002, MinIdle: 5 * time.Second, StaleHold: 500 * time.Millisecond, Patience: 90 * time.Second,
	}
}

func parse(args []string, errs io.Writer) (options, error) {
	o := defaults()
	f := flag.NewFlagSet("chaos", flag.ContinueOnError)
	f.SetOutput(errs)
	f.IntVar(&o.Events, "events", o.Events, "events to publish")
	f.Uint64Var(&o.Seed, "seed", 0, "choose what is killed when; 0 is a new one each time")
	f.IntVar(&o.Kills, "kills", o.Kills, "kills of workers and receivers together; -1 is one per 1,000 events, 8 at least")
	f.IntVar(&o.RedisKills, "redis-kills", 0, "kills of Redis; wants -fsync always, since what Redis forgets is lost")
	f.IntVar(&o.Workers, "workers", o.Workers, "workers")
	f.IntVar(&o.Concurrency, "concurrency", o.Concurrency, "events at work in each worker")
	f.IntVar(&o.Backlog, "backlog", 0, "events that are published and not yet handled; 0 is 2,000, or a quarter of all if that is less")
	f.StringVar(&o.Fsync, "fsync", o.Fsync, "appendfsync of Redis: always or everysec")
	f.BoolVar(&o.Lease, "lease", false, "receivers with a lease in Redis too")
	f.BoolVar(&o.Exec, "exec", false, "hand events to a program instead of an HTTP endpoint; some 100 times slower")
	f.DurationVar(&o.Work, "work", o.Work, "time that a handler takes, on average")
	f.Float64Var(&o.Fail, "fail", o.Fail, "share of the handler's runs that fail before their effect")
	f.DurationVar(&o.MinIdle, "min-idle", o.MinIdle, "time until a dead worker's events are taken over")
	f.DurationVar(&o.StaleHold, "stale-hold", o.StaleHold, "time for which the service thinks that a killed receiver is still there")
	f.DurationVar(&o.Patience, "patience", o.Patience, "time without any progress after which the run is given up and judged")
	f.StringVar(&o.EDS, "eds", "", "the command eds; built from this tree when empty")
	f.StringVar(&o.Dir, "dir", "", "keep logs and the history in a new directory in this one")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	err := o.check()
	if f.NArg() > 0 {
		err = fmt.Errorf("%q: there are flags only", f.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(errs, "chaos:", err)
		return o, err
	}
	return o, nil
}

func (o *options) check() error {
	if o.Seed == 0 {
		o.Seed = rand.Uint64N(1_000_000) + 1
	}
	if o.Kills < 0 {
		o.Kills = max(8, o.Events/1000)
	}
	if o.Backlog == 0 {
		o.Backlog = min(2000, max(o.Events/4, 1))
	}
	switch {
	case o.Events < 1 || o.Workers < 1 || o.Concurrency < 1 || o.Backlog < 1:
		return errors.New("-events, -workers, -concurrency and -backlog must be above zero")
	case o.Fsync != "always" && o.Fsync != "everysec":
		return fmt.Errorf("-fsync %q: must be always or everysec", o.Fsync)
	case o.RedisKills > 0 && o.Fsync != "always":
		return errors.New("-redis-kills: needs -fsync always: with everysec Redis may confirm what it then forgets, by its documentation of persistence")
	case o.RedisKills < 0:
		return errors.New("-redis-kills: must not be negative")
	case o.Fail < 0 || o.Fail >= 1:
		return errors.New("-fail: must be at least 0 and less than 1")
	}
	return nil
}

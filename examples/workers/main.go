// Command workers shows two workers that share what is done in Redis: both
// want the same queue, one has it and the other stands by; the first is killed
// in the middle of its work, and the second goes on where it ended.
//
//	go run ./examples/workers
//
// It takes the Redis that REDIS_URL names, or starts a redis-server of its own
// for as long as it runs.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/eventdelivery/eds-go/eds/edstest"
)

const (
	events    = 60
	killAfter = 20 // events, by the first worker
)

func main() {
	var err error
	if name := os.Getenv(workerVariable); name != "" {
		err = work(context.Background(), name, os.Getenv(serviceVariable), os.Getenv(redisVariable), os.Stdout)
	} else {
		err = run(context.Background(), os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "workers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	redisURL, stopRedis, err := findRedis()
	if err != nil {
		return err
	}
	defer stopRedis()
	service := edstest.NewServer()
	defer service.Close()
	if err := service.Start(); err != nil {
		return err
	}
	for i := range events {
		if _, err := service.Publish(edstest.DefaultQueue, edstest.Event{ID: fmt.Sprintf("event-%02d", i), Type: "ORDER_PLACED"}); err != nil {
			return err
		}
	}

	done := &ledger{by: make(map[string][]string)}
	first, err := startWorker(ctx, "anna", service.URL(), redisURL)
	if err != nil {
		return err
	}
	if err := service.WaitConnected(ctx); err != nil {
		return err
	}
	second, err := startWorker(ctx, "bert", service.URL(), redisURL)
	if err != nil {
		return err
	}
	var reading sync.WaitGroup
	defer func() {
		second.kill()
		reading.Wait()
	}()
	reading.Go(func() { done.read(second, func(int) {}) })
	done.read(first, func(n int) {
		if n == killAfter {
			first.kill()
		}
	})
	if err := service.WaitIdle(ctx); err != nil {
		return err
	}
	second.kill()
	reading.Wait()
	return done.report(out)
}

// ledger keeps who did which event, by what the workers say.
type ledger struct {
	mu sync.Mutex
	by map[string][]string // event: workers
}

// read takes down what a worker says until it ends.
func (l *ledger) read(w *worker, each func(n int)) {
	for n := 1; w.says.Scan(); n++ {
		l.mu.Lock()
		l.by[w.says.Text()] = append(l.by[w.says.Text()], w.name)
		l.mu.Unlock()
		each(n)
	}
	_ = w.cmd.Wait()
}

func (l *ledger) report(out io.Writer) error {
	count := make(map[string]int)
	var twice []string
	for event, workers := range l.by {
		for _, w := range workers {
			count[w]++
		}
		if len(workers) > 1 {
			twice = append(twice, event)
		}
	}
	fmt.Fprintf(out, "events published    %d\n", events)
	fmt.Fprintf(out, "done by anna        %d, then she was killed\n", count["anna"])
	fmt.Fprintf(out, "done by bert        %d\n", count["bert"])
	fmt.Fprintf(out, "done by nobody      %d\n", events-len(l.by))
	fmt.Fprintf(out, "done twice          %d %s\n", len(twice), strings.Join(twice, " "))
	if len(twice) > 0 {
		fmt.Fprintln(out, "                    (killed after the work and before the record of it)")
	}
	switch {
	case len(l.by) != events:
		return fmt.Errorf("%d of %d events were done", len(l.by), events)
	case len(twice) > 1:
		return fmt.Errorf("%d events were done twice; one worker that handles one at a time can leave one", len(twice))
	case count["anna"] == 0 || count["bert"] == 0:
		return errors.New("one worker did everything")
	}
	return nil
}

// worker is a process.
type worker struct {
	name string
	cmd  *exec.Cmd
	says *bufio.Scanner
}

func startWorker(ctx context.Context, name, service, redis string) (*worker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	w := &worker{name: name, cmd: exec.CommandContext(ctx, self)} //nolint:gosec // this very program
	w.cmd.Env = append(os.Environ(), workerVariable+"="+name, serviceVariable+"="+service, redisVariable+"="+redis)
	w.cmd.Stderr = os.Stderr
	stdout, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.says = bufio.NewScanner(stdout)
	return w, w.cmd.Start()
}

// kill is kill -9: nothing is tidied up.
func (w *worker) kill() { _ = w.cmd.Process.Kill() }

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
)

// edsPackage is the command that is under test.
const edsPackage = "github.com/eventdelivery/eds-go/cmd/eds"

// errBroken says that the run was made and broke a promise.
var errBroken = errors.New("promises were broken")

// drive makes a run, prints its table to out, and returns an error when a
// promise was broken. All that it has started has ended when it returns.
func drive(ctx context.Context, o options, out io.Writer) error {
	if o.Dir != "" {
		if err := os.MkdirAll(o.Dir, 0o755); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp(o.Dir, "eds-chaos-") // without o.Dir where such files belong
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "chaos: %d events, seed %d, logs in %s\n", o.Events, o.Seed, dir)
	r := &run{o: o, dir: dir, out: out}
	if err := r.make(ctx); err != nil {
		return fmt.Errorf("the run could not be made: %w", err)
	}
	facts := r.facts()
	v := judge(facts)
	tell(out, v)
	if len(v.violations) > 0 || o.Dir != "" {
		if err := keep(filepath.Join(dir, "history.jsonl"), facts); err != nil {
			return err
		}
	}
	if len(v.violations) > 0 {
		return fmt.Errorf("%w: %d violations; history and logs are in %s", errBroken, len(v.violations), dir)
	}
	if o.Dir == "" {
		return os.RemoveAll(dir)
	}
	return nil
}

// run is what a run consists of, and afterwards what was seen of it.
type run struct {
	o   options
	dir string
	out io.Writer
	log history.Log // of the driver and the endpoint

	fleet    *fleet
	watcher  *watcher
	endpoint *endpoint
	orders   io.WriteCloser // to the service

	mu     sync.Mutex
	told   []history.Entry // by the service
	acked  int
	holder string // who has the connection

	published int
	added     int64
	dead      []appended
}

// make starts everything, lets the events flow and the kills happen, and ends
// everything.
func (r *run) make(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n := newNursery()
	defer n.close()

	eds := r.o.EDS
	if eds == "" {
		eds = filepath.Join(r.dir, "eds")
		build := exec.CommandContext(ctx, "go", "build", "-o", eds, edsPackage)
		if text, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w: %s", err, text)
		}
		defer os.Remove(eds)
	}
	redis, err := startRedis(ctx, n, r.dir, r.o.Fsync)
	if err != nil {
		return err
	}
	defer redis.client.Close()
	service, stopService, err := r.startService(ctx, n)
	if err != nil {
		return err
	}
	defer stopService()
	if r.endpoint, err = newEndpoint(r.o, &r.log); err != nil {
		return err
	}
	defer r.endpoint.close()

	// Looks of the watcher outlive the fleet, whose end they are to see.
	r.watcher = &watcher{client: redis.client}
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() { r.watcher.run(ctx) })

	r.fleet = &fleet{o: r.o, eds: eds, dir: r.dir, service: service, redis: redis, nursery: n, endpoint: r.endpoint, log: &r.log}
	defer r.fleet.stop()
	for i := range r.o.Workers {
		r.fleet.workers = append(r.fleet.workers, &seat{name: fmt.Sprint("worker-", i+1), kind: worker})
	}
	for i := range 2 {
		r.fleet.receivers = append(r.fleet.receivers, &seat{name: fmt.Sprint("receiver-", i+1), kind: receiver})
	}
	for _, s := range slices.Concat(r.fleet.workers, r.fleet.receivers) {
		if err := r.fleet.fill(s); err != nil {
			return err
		}
	}
	if err := r.flow(ctx); err != nil {
		return err
	}
	r.fleet.stop()
	if _, err := r.watcher.look(ctx); err != nil {
		return err
	}
	r.added, r.dead, err = r.watcher.finish(ctx)
	return err
}

// startService starts the service, and reads its history until it ends.
func (r *run) startService(ctx context.Context, n *nursery) (addr string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(self, roleService, r.o.StaleHold.String())
	in, orders, err := os.Pipe()
	if err != nil {
		return "", nil, err
	}
	history, out, err := os.Pipe()
	if err != nil {
		return "", nil, errors.Join(err, in.Close(), orders.Close())
	}
	cmd.Stdin, cmd.Stdout = in, out
	c, err := n.start("service", filepath.Join(r.dir, "service.log"), cmd)
	in.Close()
	out.Close()
	if err != nil {
		return "", nil, errors.Join(err, orders.Close(), history.Close())
	}
	r.orders = orders
	heard, done := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(done)
		defer history.Close()
		defer close(heard)
		r.listen(history, heard)
	}()
	stop = func() {
		orders.Close() // it has to tell the rest
		select {
		case <-done:
		case <-time.After(30 * time.Second):
		}
		c.kill()
		<-done
	}
	select {
	case addr := <-heard:
		if addr != "" {
			return addr, stop, nil
		}
	case <-ctx.Done():
	}
	c.kill()
	stop()
	return "", nil, fmt.Errorf("the service did not start: %s", c.lastWords())
}

// listen takes in what the service tells.
func (r *run) listen(from io.Reader, heard chan<- string) {
	for dec := json.NewDecoder(bufio.NewReaderSize(from, 1<<16)); ; {
		var l line
		if dec.Decode(&l) != nil {
			return
		}
		e := l.entry()
		if e.Op == listening {
			heard <- e.Result
			continue
		}
		r.mu.Lock()
		r.told = append(r.told, e)
		switch e.Op {
		case history.AckProcessed:
			r.acked++
		case history.Connect:
			r.holder = e.Actor
		case history.Disconnect:
			if r.holder == e.Actor {
				r.holder = ""
			}
		}
		r.mu.Unlock()
	}
}

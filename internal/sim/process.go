package sim

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
)

// Process is one incarnation of a program that reads the queue. It may crash:
// then its context ends, its connections break, its store refuses it, and
// whatever its goroutines still do leaves no trace in the world. A restart is
// a new Process.
type Process struct {
	Name  string
	Queue string
	world *World

	ctx  context.Context
	end  context.CancelFunc
	done chan struct{} // closed when its client returned
	err  error         // what the client returned; read after done

	forgetful bool // its dedupe store dies with it
	heir      sync.Once

	mu    sync.Mutex
	dead  bool
	conns map[*conn]struct{}
}

// Start runs the scenario's client as a new process, unless the world is
// about to end.
func (w *World) Start(name string) {
	p := &Process{Name: name, Queue: w.Queue, world: w, done: make(chan struct{}), conns: map[*conn]struct{}{}}
	p.ctx, p.end = context.WithCancel(context.Background())
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ending {
		p.end()
		return
	}
	w.processes = append(w.processes, p)
	w.wait.Go(func() {
		defer close(p.done)
		p.err = w.Scenario.Client(p.ctx, p)
		if p.ctx.Err() == nil {
			p.record(history.Entry{Op: history.Quit, Result: fmt.Sprint(p.err)})
		}
	})
}

// Dead tells whether the process has crashed.
func (p *Process) Dead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// record writes to the history unless the process is dead.
func (p *Process) record(e history.Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return
	}
	e.Actor, e.Queue = p.Name, p.Queue
	p.world.Log.Record(e)
}

// Crash ends the process as kill -9 would. What says where.
func (p *Process) Crash(what string) {
	p.mu.Lock()
	if p.dead {
		p.mu.Unlock()
		return
	}
	p.dead = true
	p.world.Log.Record(history.Entry{Actor: p.Name, Op: history.Crash, Result: "crash " + what})
	if p.forgetful {
		p.world.Log.Record(history.Entry{Actor: p.Name, Op: history.StoreFault, Result: "store died with its process"})
	}
	conns := p.conns
	p.conns = nil
	p.mu.Unlock()
	for c := range conns {
		c.Conn.Close() // the kernel does this for a dead process
	}
	p.end()
	p.world.wait.Go(func() {
		time.Sleep(cmp.Or(p.world.Scenario.Restart, 5*time.Second) + p.world.Seed.Tie("restart", p.Name))
		p.succeed()
	})
}

// Restart replaces the process as a deployment does: it ends properly, and
// then another one starts.
func (p *Process) Restart() {
	err := p.Stop()
	if err != nil {
		p.world.Log.Record(history.Entry{Actor: p.Name, Op: history.Fault, Result: "process ended with an error"})
	}
	if p.forgetful {
		p.world.Log.Record(history.Entry{Actor: p.Name, Op: history.StoreFault, Result: "store died with its process"})
	}
	p.succeed()
}

// succeed starts the next incarnation: p1.2 after p1.1.
func (p *Process) succeed() {
	p.heir.Do(func() {
		var process, incarnation int
		fmt.Sscanf(p.Name, "p%d.%d", &process, &incarnation)
		p.world.Start(fmt.Sprintf("p%d.%d", process, incarnation+1))
	})
}

// Stop asks the process to end properly, and waits until it has.
func (p *Process) Stop() error {
	p.end()
	// What races the end may still happen in this instant.
	time.Sleep(time.Millisecond)
	p.record(history.Entry{Op: history.Stop})
	<-p.done
	p.record(history.Entry{Op: history.Fault, Result: ended})
	p.mu.Lock()
	p.dead = true // the program exits, with all goroutines that are left
	p.mu.Unlock()
	p.world.side.ended(p)
	return p.err
}

// ended is what the history says when a process has ended properly.
const ended = "process ended"

// reach says that an event has come to a point. The error stands for what a
// dead process would never have returned from.
func (p *Process) reach(point Point, event string) error {
	if p.Dead() {
		return errCrashed
	}
	n := p.world.passes.next(point, event)
	crash := p.world.Scenario.CrashAt
	if crash != nil && !p.world.quiet() && crash(point, event, n) {
		p.Crash(string(point))
		return errCrashed
	}
	return nil
}

// sleep waits in virtual time; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

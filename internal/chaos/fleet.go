package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
)

// seat is a place for a process: when the one in it dies another one comes.
type seat struct {
	name  string
	kind  string
	mu    sync.Mutex
	lives int
	child *child
	// wanted is whether there is to be a process; without, the end of one is
	// no surprise.
	wanted bool
}

// fleet are the processes of eds.
type fleet struct {
	o        options
	eds      string
	dir      string
	service  string // HOST:PORT
	redis    *server
	nursery  *nursery
	endpoint *endpoint
	log      *history.Log

	workers, receivers []*seat
	guards             sync.WaitGroup
}

// fill starts a process in a seat, and again when it ends by itself.
func (f *fleet) fill(s *seat) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lives++
	s.wanted = true
	name := fmt.Sprintf("%s.%d", s.name, s.lives)
	c, err := f.nursery.start(name, filepath.Join(f.dir, s.name+".log"), f.command(s.kind, name))
	if err != nil {
		return err
	}
	s.child = c
	f.guards.Go(func() {
		<-c.ended
		s.mu.Lock()
		surprise := s.wanted && s.child == c
		s.wanted = s.wanted && !surprise
		s.mu.Unlock()
		if !surprise {
			return
		}
		f.endpoint.ended(c.name, history.Quit, fmt.Sprintf("%v: %s", c.err, c.lastWords()))
		_ = f.fill(s)
	})
	return nil
}

// command is the command line of one life.
func (f *fleet) command(kind, name string) *exec.Cmd {
	var args []string
	env := os.Environ()
	switch kind {
	case receiver:
		env = append(env, "EDS_API_KEY="+apiKey)
		args = []string{
			"relay", "--url", "ws://" + f.service + "/" + name, "--queue", queueName,
			"--to", f.redis.url(streamName), "--standby",
		}
		if f.o.Lease {
			args = append(args, "--lease", f.redis.url("0"))
		}
	case worker:
		args = []string{
			"work", "--from", f.redis.url(streamName), "--group", groupName, "--concurrency", fmt.Sprint(f.o.Concurrency),
			"--min-idle", f.o.MinIdle.String(), "--dead-letter", f.redis.url(deadName),
		}
		if f.o.Exec {
			self, _ := os.Executable()
			args = append(args, "--exec", fmt.Sprintf("'%s' %s '%s'", self, roleProgram, f.endpoint.url+name))
		} else {
			args = append(args, "--forward-to", f.endpoint.url+name)
		}
	}
	cmd := exec.Command(f.eds, args...)
	cmd.Env = env
	return cmd
}

// life is the name of the process that is or was the last in the seat.
func (s *seat) life() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.child.name
}

// strike kills the process in a seat, and tells whether there was one. What it
// has in hand at Redis is known when its death is written down.
func (f *fleet) strike(ctx context.Context, s *seat, w *watcher) bool {
	s.mu.Lock()
	c := s.child
	if !s.wanted {
		s.mu.Unlock()
		return false
	}
	s.wanted = false
	s.mu.Unlock()
	c.kill()
	if s.kind == worker {
		// The answer comes after all that Redis had from the dead.
		_ = w.client.Ping(ctx).Err()
		_, _ = w.look(ctx)
	}
	f.endpoint.ended(c.name, history.Crash, s.kind+" killed")
	return true
}

// stop ends all processes in good order.
func (f *fleet) stop() {
	var stopping sync.WaitGroup
	for _, s := range append(append([]*seat{}, f.receivers...), f.workers...) {
		s.mu.Lock()
		c, wanted := s.child, s.wanted
		s.wanted = false
		s.mu.Unlock()
		if c == nil || !wanted {
			continue
		}
		stopping.Go(func() {
			if err := c.stop(30 * time.Second); err != nil {
				f.endpoint.ended(c.name, history.Quit, fmt.Sprintf("%v: %s", err, c.lastWords()))
			}
		})
	}
	stopping.Wait()
	f.guards.Wait()
}

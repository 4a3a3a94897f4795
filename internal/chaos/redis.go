package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// server is a redis-server that keeps its data in a file which it appends to.
type server struct {
	addr    string
	dir     string
	fsync   string
	nursery *nursery
	client  *redis.Client
	child   *child
	lives   int
	up      atomic.Bool // whether it has answered since its last start
}

func startRedis(ctx context.Context, n *nursery, dir, fsync string) (*server, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, fmt.Errorf("redis-server is not installed (apt-get install redis-server): %w", err)
	}
	s := &server{dir: filepath.Join(dir, "redis"), fsync: fsync, nursery: n}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	// A port that was free a moment ago may be taken when the server starts.
	var err error
	for range 5 {
		var l net.Listener
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
		s.addr = l.Addr().String()
		l.Close()
		redis.SetLogger(silence{}) // it would tell of each kill
		s.client = redis.NewClient(&redis.Options{Addr: s.addr, MaxRetries: -1, ReadTimeout: 5 * time.Second})
		if err = s.start(ctx); err == nil {
			return s, nil
		}
		s.client.Close()
	}
	return nil, err
}

// start starts the server, again with what it kept, and returns once it answers.
func (s *server) start(ctx context.Context) error {
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return err
	}
	s.lives++
	cmd := exec.Command("redis-server", "--bind", host, "--port", port, "--dir", s.dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", s.fsync, "--daemonize", "no")
	if s.child, err = s.nursery.start(fmt.Sprint("redis.", s.lives), filepath.Join(s.dir, "log"), cmd); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if err = s.client.Ping(ctx).Err(); err == nil {
			s.up.Store(true)
			return nil
		}
		select {
		case <-s.child.ended:
			return fmt.Errorf("redis-server ended: %s", s.child.lastWords())
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("redis-server at %s does not answer", s.addr), err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// kill ends the server as a power cut of its process would: what it has given
// to the kernel is still there. It tells whether there was one to kill.
func (s *server) kill() bool {
	if !s.up.CompareAndSwap(true, false) {
		return false
	}
	s.child.kill()
	return true
}

func (s *server) url(path string) string { return "redis://" + s.addr + "/" + path }

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

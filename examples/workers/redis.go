package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"
)

// findRedis returns the Redis to use, and what stops it when it is our own.
func findRedis() (url string, stop func(), err error) {
	if url := os.Getenv("REDIS_URL"); url != "" {
		return url, func() {}, nil
	}
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return "", nil, errors.New("needs Redis: set REDIS_URL, or install redis-server (make test-tools does)")
	}
	dir, err := os.MkdirTemp("", "eds-workers-")
	if err != nil {
		return "", nil, err
	}
	// A socket in a folder of our own: no port to collide on.
	socket := filepath.Join(dir, "redis.sock")
	//nolint:gosec,noctx // redis-server, from where PATH says; stop ends it, after all that use it
	server := exec.Command(program, "--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "", "--appendonly", "no")
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		_ = os.RemoveAll(dir)
	}
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, MaxRetries: 100, MinRetryBackoff: 10 * time.Millisecond, MaxRetryBackoff: 50 * time.Millisecond})
	defer client.Close()
	if err := client.Ping(context.Background()).Err(); err != nil {
		stop()
		return "", nil, fmt.Errorf("redis-server does not answer: %w", err)
	}
	return "unix://" + socket, stop, nil
}

package main

import (
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/internal/wslink"
	"github.com/eventdelivery/eds-go/transport/lease"
	"github.com/eventdelivery/eds-go/transport/lease/redislease"
)

// standbyFlags say how to wait for a source that another process reads.
type standbyFlags struct {
	Standby bool   `env:"EDS_STANDBY" help:"Stand by while another process has the queue, and take over within seconds after its end, instead of with growing pauses (${env})."`
	Lease   string `placeholder:"URL" env:"EDS_LEASE" help:"Stand by with the others that name this redis://HOST:PORT/DB: one of them dials (${env})."`
}

// stands tells whether to stand by.
func (f *standbyFlags) stands() bool { return f.Standby || f.Lease != "" }

// check names what is wrong with the flags.
func (f *standbyFlags) check() error {
	if f.Lease == "" {
		return nil
	}
	if !isRedis(f.Lease) {
		return fmt.Errorf("--lease %q: must be a URL such as redis://HOST:PORT/DB", wslink.Harmless(f.Lease))
	}
	if _, err := parseRedis(f.Lease); err != nil {
		return fmt.Errorf("--lease %q: is no Redis URL", wslink.Harmless(f.Lease))
	}
	return nil
}

// open returns the lease of what has this name, nil without the flag, and what
// closes it.
func (f *standbyFlags) open(log *slog.Logger, name string) (l lease.Lease, release func(), err error) {
	if f.Lease == "" {
		return nil, func() {}, nil
	}
	at, err := parseRedis(f.Lease)
	if err != nil {
		return nil, nil, f.check()
	}
	redis.SetLogger(redisLog{log})
	client := at.obeying().client(0)
	held, err := redislease.New(client, name)
	if err != nil {
		_ = client.Close()
		return nil, nil, fmt.Errorf("--lease %q: %w", wslink.Harmless(f.Lease), err)
	}
	return held, func() { _ = client.Close() }, nil
}

package redisstore_test

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// redisError is an error as a server sends it.
type redisError string

func (e redisError) Error() string { return string(e) }
func (e redisError) RedisError()   {}

// refusal answers every command with an error while it is on.
type refusal struct {
	on  atomic.Bool
	err error
}

func (r *refusal) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (r *refusal) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if r.on.Load() {
			cmd.SetErr(r.err)
			return r.err
		}
		return next(ctx, cmd)
	}
}

func (r *refusal) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if r.on.Load() {
			for _, cmd := range cmds {
				cmd.SetErr(r.err)
			}
			return r.err
		}
		return next(ctx, cmds)
	}
}

// meter counts what is sent together, and can hold it up.
type meter struct {
	refusal
	gate  atomic.Pointer[chan struct{}]
	sizes chan int
}

// pass counts commands, but not those with which a connection begins.
func (m *meter) pass(cmds ...redis.Cmder) {
	switch cmds[0].Name() {
	case "hello", "client", "auth", "select", "readonly":
		return
	}
	m.sizes <- len(cmds)
	if gate := m.gate.Load(); gate != nil {
		<-*gate
	}
}

func (m *meter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		m.pass(cmd)
		return next(ctx, cmd)
	}
}

func (m *meter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		m.pass(cmds...)
		return next(ctx, cmds)
	}
}

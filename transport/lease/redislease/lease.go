// Package redislease keeps a lease in Redis, Valkey or what speaks their
// protocol, for receivers on several machines.
//
// A lease is one string key, the prefix followed by its name, whose value is
// the holder's random token and what it calls itself. A Cluster will do, and an
// operator sees with redis-cli who reads a queue:
//
//	redis-cli GET 'eds:lease:orders'
//
// # Why no clock counts
//
// Whether a lease is free is decided by Redis alone: the key is there or it is
// not, and its time to live is counted by the server. Taking, extending and
// giving up compare the token and write within one script, which Redis runs
// without anything in between, so none of them can undo what another holder did
// meanwhile. No holder's clock is asked, and none compares two times of
// different machines; one that goes wrong in the server ends a lease early or
// late, which costs a dial that the service refuses, or a few seconds.
//
// # What Redis has to keep
//
// Nothing. After a restart without a disk, an eviction or a fail-over that lost
// the key, the lease is free: whoever asks first has it, and if that is not the
// one that is connected, the service refuses its dial and the lease goes back.
package redislease

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/rediscall"
	"github.com/eventdelivery/eds-go/transport/lease"
)

// Lease is a lease.Lease in Redis. Create it with New. It needs no closing; the
// client stays the caller's, who closes it after the last use of the Lease.
type Lease struct {
	settings
	client redis.UniversalClient
	key    string
	value  string        // the token, a space, and what this holder calls itself
	turn   chan struct{} // holds one: a call that was given up must not overtake the next
}

var _ lease.Lease = (*Lease)(nil)

// New returns a new holder of the lease called name in the Redis of client: any
// of *redis.Client, *redis.ClusterClient or a failover client. Name it after
// what is read, such as the queue: receivers that compete use the same name,
// each with a Lease of its own. It does not connect. Its error is an
// *eds.ConfigError.
func New(client redis.UniversalClient, name string, opts ...Option) (*Lease, error) {
	l := &Lease{
		settings: settings{prefix: DefaultPrefix, budget: DefaultBudget, self: self()},
		client:   client, turn: make(chan struct{}, 1),
	}
	for _, o := range opts {
		if o != nil {
			o(&l.settings)
		}
	}
	if client == nil {
		return nil, &eds.ConfigError{Setting: "redislease client", Value: "nil", Reason: "must not be nil"}
	}
	if name == "" {
		return nil, &eds.ConfigError{Setting: "redislease name", Reason: "must not be empty"}
	}
	if err := l.validate(); err != nil {
		return nil, err
	}
	l.key, l.value = l.prefix+name, rand.Text()+" "+l.self
	return l, nil
}

// self is what a holder calls itself unless told otherwise.
func self() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%.80s/%d", host, os.Getpid())
}

// take answers with who has it otherwise, and for how many milliseconds.
var take = redis.NewScript(`
local has = redis.call('GET', KEYS[1])
if has and has ~= ARGV[1] then return {has, redis.call('PTTL', KEYS[1])} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {ARGV[1], 0}`)

var release = redis.NewScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`)

// Take implements lease.Lease.
func (l *Lease) Take(ctx context.Context, term time.Duration) (lease.Claim, error) {
	if term < time.Millisecond {
		return lease.Claim{}, l.failed("take", fmt.Errorf("a term of %v is too short", term))
	}
	answer, err := l.run(ctx, take, l.value, term.Milliseconds())
	if err != nil {
		return lease.Claim{}, l.failed("take", err)
	}
	pair, _ := answer.([]any)
	if len(pair) != 2 {
		return lease.Claim{}, l.failed("take", fmt.Errorf("cannot read the answer %v", answer))
	}
	value, _ := pair[0].(string)
	if value == l.value {
		return lease.Claim{Held: true}, nil
	}
	_, holder, _ := strings.Cut(value, " ")
	left, _ := pair[1].(int64) // negative for a key without a time to live
	return lease.Claim{Holder: holder, Left: max(time.Duration(left)*time.Millisecond, 0)}, nil
}

// Release implements lease.Lease.
func (l *Lease) Release(ctx context.Context) error {
	if _, err := l.run(ctx, release, l.value); err != nil {
		return l.failed("release", err)
	}
	return nil
}

// run runs a script, for at most the budget and not when ctx has ended before,
// whatever the client's own time-outs and retries. A call that was given up
// goes on until those end it; the next one waits for it.
func (l *Lease) run(ctx context.Context, script *redis.Script, args ...any) (any, error) {
	return rediscall.Within(ctx, l.budget, func(ctx context.Context) (any, error) {
		select {
		case l.turn <- struct{}{}:
			defer func() { <-l.turn }()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		return script.Run(ctx, l.client, []string{l.key}, args...).Result()
	})
}

func (l *Lease) failed(what string, err error) error {
	return fmt.Errorf("redislease: %s %q: %w", what, l.key, rediscall.Discreet(err))
}

package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/dedupe"
)

// abilities are what the server lets us do.
type abilities struct {
	scripts  bool // EVAL
	setNXGet bool // SET with NX and GET, from Redis 7.0
	// compareDelete makes a command that deletes a key if it has a value;
	// nil where there is none. Only asked for without scripts.
	compareDelete func(key, value string) []any
	// policy is the maxmemory-policy, "" where the server does not tell.
	policy string
	// err says why none of it is enough; nil otherwise.
	err error
}

// probeAbilities asks the server, by doing: neither version numbers nor ACLs
// tell what a proxy in between lets through. key is one of ours.
func probeAbilities(ctx context.Context, client redis.UniversalClient, key string, plain bool) (*abilities, error) {
	can := new(abilities)
	refusals := make([]error, 0, 2)
	try := func(args ...any) (bool, error) {
		err := client.Do(ctx, args...).Err()
		if err == nil || errors.Is(err, redis.Nil) {
			return true, nil
		}
		if refused(err) {
			refusals = append(refusals, err)
			return false, nil
		}
		return false, err
	}
	var err error
	if can.setNXGet, err = try("SET", key, "probe", "NX", "GET", "PX", 1); err != nil {
		return nil, err
	}
	if !plain {
		if can.scripts, err = try("EVAL", "return redis.call('EXISTS', KEYS[1])", 1, key); err != nil {
			return nil, err
		}
	}
	if !can.scripts {
		if !can.setNXGet {
			can.err = fmt.Errorf("%w: Redis allows neither EVAL nor SET NX GET: %w", dedupe.ErrUnavailable, errors.Join(refusals...))
			return can, nil
		}
		if err := can.findCompareDelete(try, key); err != nil {
			return nil, err
		}
	}
	if config, err := client.ConfigGet(ctx, "maxmemory-policy").Result(); err == nil {
		can.policy = config["maxmemory-policy"]
	}
	return can, nil
}

func (can *abilities) findCompareDelete(try func(...any) (bool, error), key string) error {
	for _, command := range []func(key, value string) []any{
		func(key, value string) []any { return []any{"DELEX", key, "IFEQ", value} },
		func(key, value string) []any { return []any{"DELIFEQ", key, value} },
	} {
		ok, err := try(command(key, "no such value")...)
		if err != nil {
			return err
		}
		if ok {
			can.compareDelete = command
			return nil
		}
	}
	return nil
}

// refused tells whether the server will not do this, now or later: unknown
// command or syntax, or not allowed.
func refused(err error) bool {
	if _, ok := errors.AsType[redis.Error](err); !ok {
		return false
	}
	return redis.HasErrorPrefix(err, "NOPERM") || strings.HasPrefix(err.Error(), "ERR ")
}

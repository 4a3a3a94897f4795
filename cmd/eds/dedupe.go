package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/dedupe/lru"
	"github.com/eventdelivery/eds-go/dedupe/redisstore"
)

// dedupeSetting is where it is remembered which events are done.
type dedupeSetting string

// Validate names what is wrong with the flag.
func (d dedupeSetting) Validate() error {
	switch {
	case d == "memory", d == "off":
		return nil
	case strings.HasPrefix(string(d), "redis://"), strings.HasPrefix(string(d), "rediss://"):
		if _, err := redis.ParseURL(string(d)); err != nil {
			return fmt.Errorf("--dedupe %q: is no Redis URL", d.redacted())
		}
		return nil
	}
	return fmt.Errorf("--dedupe %q: must be memory, off, or a URL such as redis://HOST:PORT/DB", d.redacted())
}

// redacted is what may be shown: no user, password or query, also of what is
// no URL.
func (d dedupeSetting) redacted() string {
	scheme, rest, found := strings.Cut(string(d), "://")
	if !found {
		return string(d)
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	rest, _, _ = strings.Cut(rest, "?")
	return scheme + "://" + rest
}

// redisLog takes what the Redis client says by itself, such as that it cannot
// connect, each time that it tries: the store tells the same once.
type redisLog struct{ log *slog.Logger }

func (l redisLog) Printf(ctx context.Context, format string, v ...any) {
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.DebugContext(ctx, "redis client", "says", fmt.Sprintf(format, v...))
	}
}

// open returns the store, nil for none, and what closes it.
func (d dedupeSetting) open(log *slog.Logger) (store dedupe.Store, closeStore func(), err error) {
	switch d {
	case "off":
		return nil, func() {}, nil
	case "memory":
		store, err = lru.New()
		return store, func() {}, err
	}
	opts, err := redis.ParseURL(string(d))
	if err != nil {
		return nil, nil, d.Validate()
	}
	redis.SetLogger(redisLog{log})
	// A lone question then needs no goroutine to obey its time limit.
	opts.ContextTimeoutEnabled = true
	client := redis.NewClient(opts)
	store, err = redisstore.New(client, redisstore.Logger(log))
	return store, func() { _ = client.Close() }, err
}

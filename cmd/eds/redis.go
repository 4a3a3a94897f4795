package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"runtime"
	"strings"

	"github.com/redis/go-redis/v9"
)

// redisAt is how to connect to one server, by Sentinels, or to a Cluster: one
// of the three.
type redisAt struct {
	single   *redis.Options
	failover *redis.FailoverOptions
	cluster  *redis.ClusterOptions
}

// parseRedis reads redis://[USER:PASSWORD@]HOST[:PORT][/DB], or rediss:// for
// TLS, and the query as go-redis does.
func parseRedis(s string) (redisAt, error) {
	u, err := url.Parse(s)
	if err != nil {
		return redisAt{}, err
	}
	return redisOf(u)
}

// redisOf tells by the query which of the three it is: master_name makes the
// host and each addr a Sentinel, addr alone makes them nodes of a Cluster.
func redisOf(u *url.URL) (at redisAt, err error) {
	switch q := u.Query(); {
	case q.Has("master_name"):
		at.failover, err = redis.ParseFailoverURL(u.String())
	case q.Has("addr"):
		at.cluster, err = redis.ParseClusterURL(u.String())
	default:
		at.single, err = redis.ParseURL(u.String())
	}
	return at, err
}

// client connects with the first command. Connections that wait for an answer
// come on top of go-redis' usual 10 per processor.
func (at redisAt) client(waiting int) redis.UniversalClient {
	room := func(size *int) {
		if *size == 0 {
			*size = 10*runtime.GOMAXPROCS(0) + waiting
		}
	}
	switch {
	case at.failover != nil:
		room(&at.failover.PoolSize)
		return redis.NewFailoverClient(at.failover)
	case at.cluster != nil:
		room(&at.cluster.PoolSize)
		return redis.NewClusterClient(at.cluster)
	}
	room(&at.single.PoolSize)
	return redis.NewClient(at.single)
}

// isRedis tells whether s is meant as the URL of a Redis.
func isRedis(s string) bool {
	scheme, _, found := strings.Cut(s, "://") // case does not count (RFC 3986, 3.1)
	return found && (strings.EqualFold(scheme, "redis") || strings.EqualFold(scheme, "rediss"))
}

// redisLog takes what the Redis client says by itself, such as that it cannot
// connect, each time that it tries: those who use it tell the same once.
type redisLog struct{ log *slog.Logger }

func (l redisLog) Printf(ctx context.Context, format string, v ...any) {
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.DebugContext(ctx, "redis client", "says", fmt.Sprintf(format, v...))
	}
}

// obeying has the client obey the time limits of contexts by itself: a lone
// question then needs no goroutine for that.
func (at redisAt) obeying() redisAt {
	switch {
	case at.failover != nil:
		at.failover.ContextTimeoutEnabled = true
	case at.cluster != nil:
		at.cluster.ContextTimeoutEnabled = true
	default:
		at.single.ContextTimeoutEnabled = true
	}
	return at
}

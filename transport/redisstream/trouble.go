package redisstream

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/rediscall"
)

// judge returns err as what ends the tries for good, or nil when trying again
// may help.
func judge(client redis.UniversalClient, stream string, err error) error {
	_, single := client.(*redis.Client)
	switch {
	case single && redis.HasErrorPrefix(err, "MOVED"):
		return &eds.ConfigError{Setting: "server of stream", Value: stream,
			Reason: "is one of a Redis Cluster, which takes a client of the Cluster; a URL names two or more of its servers, with ?addr=HOST:PORT for each further one"}
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		return &eds.ConfigError{Setting: "stream", Value: stream, Reason: "the key holds something else than a stream"}
	case redis.HasErrorPrefix(err, "NOAUTH"), redis.HasErrorPrefix(err, "WRONGPASS"):
		return &eds.AuthError{Code: 401, Reason: clip(err)}
	case redis.HasErrorPrefix(err, "NOPERM"), strings.HasPrefix(text(err), "ERR The user executing the script"):
		return &eds.AuthError{Code: 403, Reason: clip(err)}
	case redis.HasErrorPrefix(err, "DB index is out of range"):
		return &eds.ConfigError{Setting: "database of stream", Value: stream, Reason: "the server has no such database"}
	case redis.HasErrorPrefix(err, "unknown command"), redis.HasErrorPrefix(err, "syntax error"):
		return &eds.ConfigError{Setting: "server of stream", Value: stream, Reason: "must be Redis 7.0 or later: " + clip(err)}
	}
	return nil
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// clip is the text of an error of the server. It leaves away what it repeats
// of the command, which may be a password.
func clip(err error) string { return rediscall.Discreet(err).Error() }

// noGroup tells whether the stream or the group is not there.
func noGroup(err error) bool {
	return redis.HasErrorPrefix(err, "NOGROUP") || redis.HasErrorPrefix(err, "UNBLOCKED") ||
		redis.HasErrorPrefix(err, "no such key")
}

// pauses are those between tries: they double from about first to about
// longest.
type pauses struct {
	first, longest time.Duration
	next           *backoff.ExponentialBackOff // nil before the first: most never fail
}

func (p *pauses) reset() { p.next = nil }

// wait waits for the next pause. It returns false when ctx ended.
func (p *pauses) wait(ctx context.Context) bool {
	if p.next == nil {
		p.next = backoff.NewExponentialBackOff(backoff.WithInitialInterval(p.first), backoff.WithMaxInterval(p.longest),
			backoff.WithMultiplier(2), backoff.WithMaxElapsedTime(0))
	}
	return sleep(ctx, p.next.NextBackOff())
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

var errClosed = errors.New("redisstream: closed")

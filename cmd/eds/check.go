package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// checkStream warns of a Redis that may lose what it has confirmed, as soon as
// there is one to ask. Credentials that it refuses are an *eds.AuthError: a
// relay without a stream must not hold the queue and look healthy.
func checkStream(log *slog.Logger, to streamURL) func(context.Context) error {
	return func(ctx context.Context) error {
		at, _, err := to.parse()
		if err != nil {
			return err
		}
		client := at.obeying().client(0)
		defer client.Close()
		for told := false; ; {
			asking, cancel := context.WithTimeout(ctx, checkTime)
			warnings, err := redisstream.Check(asking, client)
			cancel()
			for _, w := range warnings {
				log.WarnContext(ctx, "events that are acknowledged may get lost", "stream", to.redacted(),
					"setting", w.Setting, "value", w.Value, "risk", w.Risk)
			}
			switch {
			case err == nil || ctx.Err() != nil || redis.HasErrorPrefix(err, "NOPERM"):
				return nil
			case redis.HasErrorPrefix(err, "NOAUTH"), redis.HasErrorPrefix(err, "WRONGPASS"):
				return &eds.AuthError{Code: 401, Reason: "--to " + to.redacted() + ": " + err.Error()}
			case !told:
				told = true
				log.WarnContext(ctx, "the stream is out of reach: events stay with their service", "stream", to.redacted(), "err", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(checkPause):
			}
		}
	}
}

const (
	checkTime  = 2 * time.Second // for one try: an end of the command waits for it
	checkPause = 2 * time.Second // between two
)

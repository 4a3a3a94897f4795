package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// watched is a stream that takes events, as /readyz sees it: a relay that
// cannot append does not do its work, however well its queue is connected.
type watched struct {
	*redisstream.Publisher
	log *slog.Logger
	url streamURL
}

func (w watched) Health() eds.Health { return eds.Health{Transport: w.Status()} }

const (
	pingTime  = 2 * time.Second // for one question: an end of the command waits for it
	pingPause = 2 * time.Second // until the next
)

// watch asks whether the stream takes events until ctx ends, and warns of a
// Redis that may lose what it has confirmed. What it refuses for good before it
// was there at all is an error: a wrong password, a Cluster taken for a single
// server.
func (w watched) watch(ctx context.Context) error {
	for told, there := false, false; ; {
		pinging, cancel := context.WithTimeout(ctx, pingTime)
		err := w.Ping(pinging)
		cancel()
		switch {
		case ctx.Err() != nil: // no answer of Redis
		case err == nil && !there:
			there = true
			w.warn(ctx)
		case isFinal(err) && !there:
			return err
		case err != nil && !told:
			told = true
			w.log.WarnContext(ctx, "the stream is out of reach: events stay with their service", "stream", w.url.redacted(), "err", err)
		case err == nil && told:
			told = false
			w.log.InfoContext(ctx, "the stream is back", "stream", w.url.redacted())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pingPause):
		}
	}
}

func isFinal(err error) bool {
	_, auth := errors.AsType[*eds.AuthError](err)
	_, config := errors.AsType[*eds.ConfigError](err)
	return auth || config
}

// warn tells of settings by which Redis may lose what it has confirmed.
func (w watched) warn(ctx context.Context) {
	at, _, err := w.url.parse()
	if err != nil {
		return
	}
	client := at.obeying().client(0)
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	warnings, err := redisstream.Check(ctx, client)
	if err != nil {
		w.log.WarnContext(ctx, "Redis does not tell whether it may lose events", "stream", w.url.redacted(), "err", err)
	}
	for _, found := range warnings {
		w.log.WarnContext(ctx, "events that are acknowledged may get lost", "stream", w.url.redacted(),
			"setting", found.Setting, "value", found.Value, "risk", found.Risk)
	}
}

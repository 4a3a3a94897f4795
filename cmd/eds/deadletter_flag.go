package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/alecthomas/kong"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers/jsonl"
	"github.com/eventdelivery/eds-go/internal/wslink"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// deadLetterSetting is where events go that cannot be handled: a file, or a
// stream of Redis.
type deadLetterSetting string

// check names what is wrong with the flag. No stream can be its own grave.
func (d deadLetterSetting) check(work streamURL) error {
	if !isRedis(string(d)) {
		return nil
	}
	if err := streamURL(d).check("--dead-letter"); err != nil {
		return err
	}
	if work != "" && streamURL(d).same(work) {
		return fmt.Errorf("--dead-letter %q: is the stream of the events themselves", wslink.Harmless(string(d)))
	}
	return nil
}

// open returns what keeps dead letters, nil for nothing, and what closes it.
func (d deadLetterSetting) open(log *slog.Logger) (sink eds.Handler, closeSink func(), err error) {
	switch {
	case d == "":
		return nil, func() {}, nil
	case isRedis(string(d)):
		client, stream := streamURL(d).open(log, 0)
		to, err := redisstream.Publish(client, stream, redisstream.Logger(log))
		if err != nil {
			_ = client.Close()
			return nil, nil, fmt.Errorf("--dead-letter %q: %w", wslink.Harmless(string(d)), err)
		}
		return to.Handle, func() { endPublisher(log, to); _ = client.Close() }, nil
	}
	file, err := jsonl.Open(kong.ExpandPath(string(d)))
	if err != nil {
		return nil, nil, fmt.Errorf("--dead-letter: %w", err)
	}
	return file.Handle, func() { _ = file.Close() }, nil
}

// endPublisher waits a moment for what is under way.
func endPublisher(log *slog.Logger, p *redisstream.Publisher) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		log.WarnContext(ctx, "the stream was not closed in good order", "err", err)
	}
}

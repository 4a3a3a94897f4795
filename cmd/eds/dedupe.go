package main

import (
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/dedupe/lru"
	"github.com/eventdelivery/eds-go/dedupe/redisstore"
	"github.com/eventdelivery/eds-go/internal/wslink"
)

// dedupeSetting is where it is remembered which events are done.
type dedupeSetting string

// dedupeStream is the Redis of the command's stream.
const dedupeStream dedupeSetting = "stream"

// check names what is wrong with the flag of a command that has a stream, or
// none.
func (d dedupeSetting) check(stream streamURL) error {
	words := "memory, off"
	if stream != "" {
		words += ", stream"
	}
	switch {
	case d == "memory", d == "off", d == dedupeStream && stream != "":
		return nil
	case isRedis(string(d)):
		if _, err := parseRedis(string(d)); err != nil {
			return fmt.Errorf("--dedupe %q: is no Redis URL", wslink.Harmless(string(d)))
		}
		return nil
	}
	return fmt.Errorf("--dedupe %q: must be %s, or a URL such as redis://HOST:PORT/DB", wslink.Harmless(string(d)), words)
}

// open returns the store, nil for none, and what closes it.
func (d dedupeSetting) open(log *slog.Logger, stream streamURL) (store dedupe.Store, closeStore func(), err error) {
	var at redisAt
	switch d {
	case "off":
		return nil, func() {}, nil
	case "memory":
		store, err = lru.New()
		return store, func() {}, err
	case dedupeStream:
		at, _, err = stream.parse()
	default:
		at, err = parseRedis(string(d))
	}
	if err != nil {
		return nil, nil, d.check(stream)
	}
	redis.SetLogger(redisLog{log})
	client := at.obeying().client(0)
	// Not FailClosed, also when it is the stream's: a Redis that is full hands
	// out what it has, and working it off is what makes room.
	store, err = redisstore.New(client, redisstore.Logger(log))
	return store, func() { _ = client.Close() }, err
}

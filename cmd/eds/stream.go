package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/internal/wslink"
)

// streamURL names a stream and the Redis that has it:
// redis://[USER:PASSWORD@]HOST[:PORT]/STREAM[?db=N], or rediss:// for TLS, with
// the query parameters of redisOf.
type streamURL string

// shape is how a stream's URL looks.
const shape = "redis://HOST:PORT/STREAM?db=0"

// check names what is wrong. flag is the one that has the URL.
func (s streamURL) check(flag string) error {
	if _, _, err := s.parse(); err != nil {
		return fmt.Errorf("%s %q: %w", flag, wslink.Harmless(string(s)), err)
	}
	return nil
}

// redacted is what may be shown.
func (s streamURL) redacted() string { return wslink.Harmless(string(s)) }

// same tells whether both are one stream, as far as their URLs tell.
func (s streamURL) same(other streamURL) bool {
	place := func(s streamURL) [4]string {
		u, err := url.Parse(string(s))
		if err != nil {
			return [4]string{string(s)}
		}
		return [4]string{u.Hostname(), cmp.Or(u.Port(), "6379"), cmp.Or(u.Query().Get("db"), "0"), u.Path}
	}
	return place(s) == place(other)
}

// parse returns the Redis and the stream. Its error shows nothing of the URL,
// in which a password may be anywhere when it was not escaped.
func (s streamURL) parse() (at redisAt, stream string, err error) {
	u, err := url.Parse(string(s))
	if err != nil || !isRedis(string(s)) || u.Hostname() == "" {
		return at, "", fmt.Errorf("must be a URL such as %s", shape)
	}
	escaped := strings.TrimPrefix(u.EscapedPath(), "/")
	stream, err = url.PathUnescape(escaped)
	switch {
	case err != nil || strings.Contains(escaped, "/"):
		return at, "", fmt.Errorf("must have the stream's name after the host, as in %s; %%2F stands for a slash in it", shape)
	case stream == "":
		return at, "", fmt.Errorf("names no stream; it stands after the host, as in %s", shape)
	case strings.Trim(stream, "0123456789") == "":
		return at, "", fmt.Errorf("names no stream: a number could be meant as the database, which ?db=%s selects", stream)
	}
	u.Path, u.RawPath = "", ""
	if at, err = redisOf(u); err != nil {
		return at, "", fmt.Errorf("is no URL of a Redis such as %s: the port, ?db= or an option is wrong", shape)
	}
	return at, stream, nil
}

// open returns a client of the stream's Redis that can have so many
// connections waiting, and the stream.
func (s streamURL) open(log *slog.Logger, waiting int) (redis.UniversalClient, string) {
	redis.SetLogger(redisLog{log})
	at, stream, _ := s.parse() // check has seen that it is one
	return at.client(waiting), stream
}

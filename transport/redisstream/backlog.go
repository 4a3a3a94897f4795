package redisstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/internal/rediscall"
)

// Backlog is what a stream has at one moment, and what its groups have still
// to do.
type Backlog struct {
	// Stream is its key.
	Stream string
	// Length counts its entries, those among them that are done and not
	// trimmed yet; zero also when there is no such stream. Bytes is about what
	// they take of Redis' memory.
	Length, Bytes int64
	// Groups are those that read it, in the order of their names.
	Groups []Group
}

// Group is what one group has still to do.
type Group struct {
	Name string
	// Waiting counts the entries that no worker has been given yet; -1 when
	// Redis cannot tell, as after a deletion in the middle of the stream, see
	// TrimAbove.
	Waiting int64
	// Pending counts those that were handed out and are not acknowledged, and
	// Released those among them that were given back and pause.
	Pending, Released int64
	// Oldest is when the oldest entry that is not acknowledged was appended, by
	// the clock of Redis; zero when there is none.
	Oldest time.Time
	// Consumers are the workers, in the order of their names. Dead ones are
	// among them until the living have made up for them.
	Consumers []Consumer
}

// Consumer is a worker of a group.
type Consumer struct {
	Name string
	// Pending counts the entries that it has.
	Pending int64
	// Idle is for how long Redis has heard nothing from it.
	Idle time.Duration
}

// Look tells what there is: one Backlog for each of the Partitions. It changes
// nothing, takes a few commands for each group, and reads no event.
//
// Its error is an *eds.ConfigError when a key holds something else than a
// stream, an *eds.AuthError when the server refuses the credentials or a
// command, or says that Redis is out of reach.
func Look(ctx context.Context, client redis.UniversalClient, stream string, opts ...Option) ([]Backlog, error) {
	s := defaults()
	for _, o := range opts {
		if o != nil {
			o(&s)
		}
	}
	var m mistakes
	if s.common(&m, client, stream); len(m) > 0 {
		return nil, errors.Join(m...)
	}
	var all []Backlog
	for _, name := range streamsOf(stream, s.partitions) {
		b, err := look(ctx, client, name)
		if err != nil {
			return nil, whyNot(client, name, err)
		}
		all = append(all, b)
	}
	return all, nil
}

// whyNot is the error of a question about a stream.
func whyNot(client redis.UniversalClient, stream string, err error) error {
	if final := judge(client, stream, err); final != nil {
		return final
	}
	return fmt.Errorf("redisstream: look at stream %q: %w", stream, rediscall.Discreet(err))
}

func look(ctx context.Context, client redis.UniversalClient, stream string) (Backlog, error) {
	b := Backlog{Stream: stream}
	var err error
	if b.Length, err = client.XLen(ctx, stream).Result(); err != nil {
		return b, err
	}
	groups, err := client.XInfoGroups(ctx, stream).Result()
	if noGroup(err) {
		return b, nil
	}
	if err != nil {
		return b, err
	}
	if b.Bytes, err = client.MemoryUsage(ctx, stream).Result(); err != nil && !errors.Is(err, redis.Nil) && !redis.HasErrorPrefix(err, "NOPERM") {
		return b, err
	}
	for _, g := range groups {
		group, err := lookAt(ctx, client, stream, g)
		if noGroup(err) {
			continue // it has gone meanwhile
		}
		if err != nil {
			return b, err
		}
		b.Groups = append(b.Groups, group)
	}
	slices.SortFunc(b.Groups, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
	return b, nil
}

func lookAt(ctx context.Context, client redis.UniversalClient, stream string, info redis.XInfoGroup) (Group, error) {
	g := Group{Name: info.Name, Waiting: info.Lag, Pending: info.Pending}
	first, err := client.XRangeN(ctx, stream, "("+info.LastDeliveredID, "+", 1).Result()
	if err != nil {
		return g, err
	}
	if len(first) > 0 {
		g.Oldest = appended(first[0].ID)
	}
	if info.Pending > 0 {
		pending, err := client.XPending(ctx, stream, info.Name).Result()
		if err != nil {
			return g, err
		}
		if pending.Count > 0 { // they were appended before those that wait
			g.Oldest = appended(pending.Lower)
		}
	}
	consumers, err := client.XInfoConsumers(ctx, stream, info.Name).Result()
	if err != nil {
		return g, err
	}
	for _, c := range consumers {
		if c.Name == nobody || c.Name == pausing {
			g.Released += c.Pending
			continue
		}
		g.Consumers = append(g.Consumers, Consumer{Name: c.Name, Pending: c.Pending, Idle: c.Idle})
	}
	slices.SortFunc(g.Consumers, func(a, b Consumer) int { return strings.Compare(a.Name, b.Name) })
	return g, nil
}

// appended is when an entry was, by its id.
func appended(id string) time.Time {
	ms, _, _ := strings.Cut(id, "-")
	at, err := strconv.ParseInt(ms, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(at)
}

package redisstream

import (
	"context"
	"iter"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
)

// Record is an entry of a stream, as it is there, whoever has done it.
type Record struct {
	// Event is as a worker gets it. When the entry cannot be read, its Payload
	// is the whole entry and Err says why.
	Event eds.Event
	Err   error
	// Stream and Entry are the key and the id of the entry, for XDEL.
	Stream, Entry string
	// Appended is when it was appended, by the clock of Redis.
	Appended time.Time
}

// recordsAtOnce is how many entries are read with one command.
const recordsAtOnce = 100

// Records are the entries of a stream in its order, one partition after the
// other: for a stream in which dead letters are kept. It reads what is there at
// its beginning and changes nothing. An error, as those of Look, is the last
// that comes.
func Records(ctx context.Context, client redis.UniversalClient, stream string, opts ...Option) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		all, err := Look(ctx, client, stream, opts...)
		if err != nil {
			yield(Record{}, err)
			return
		}
		for _, b := range all {
			if !records(ctx, client, stream, b.Stream, yield) {
				return
			}
		}
	}
}

// records yields the entries of one partition. It returns false when that was
// the end.
func records(ctx context.Context, client redis.UniversalClient, stream, key string, yield func(Record, error) bool) bool {
	last, err := client.XRevRangeN(ctx, key, "+", "-", 1).Result()
	if err != nil {
		yield(Record{}, whyNot(client, key, err))
		return false
	}
	if len(last) == 0 {
		return true
	}
	for from := "-"; ; {
		some, err := client.XRangeN(ctx, key, from, last[0].ID, recordsAtOnce).Result()
		if err != nil {
			yield(Record{}, whyNot(client, key, err))
			return false
		}
		for _, m := range some {
			r := Record{Stream: key, Entry: m.ID, Appended: appended(m.ID)}
			r.Event, r.Err = decode(stream, m.ID, m.Values)
			if !yield(r, nil) {
				return false
			}
			from = "(" + m.ID
		}
		if len(some) < recordsAtOnce {
			return true
		}
	}
}

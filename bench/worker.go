package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/dedupe/redisstore"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// Moment is when something happened to an event of the server.
type Moment struct {
	Event int   `json:"e"` // its number
	At    int64 `json:"t"` // Unix ns
}

// Journal is what a worker saw.
type Journal struct {
	Done  []Moment `json:"done"`  // the handler had returned
	Acked []Moment `json:"acked"` // Redis had answered XACK
}

// work is a worker's process: the stream, a dedupe store that all workers
// share, and the whole chain around the handler.
func work(spec Spec, in io.Reader, out io.Writer) error {
	spec.Variant = "worker"
	j := &journal{settling: make(map[string]int)}
	run := func(ctx context.Context, spec Spec) error {
		client := redis.NewClient(&redis.Options{Addr: spec.Redis})
		defer client.Close()
		client.AddHook(j)
		p := observed()
		store, err := redisstore.New(client, redisstore.FailClosed(), redisstore.Logger(p.log))
		if err != nil {
			return err
		}
		p.store, p.opts = store, []eds.Option{eds.Concurrency(max(spec.Lanes, 1))}
		stream := redisstream.New(client, streamName, workerGroup, redisstream.Logger(p.log))
		go func() {
			for stream.Status().State != eds.Connected && ctx.Err() == nil {
				sleep(time.Millisecond)
			}
			if err := json.NewEncoder(out).Encode(map[string]bool{"ready": true}); err != nil {
				stream.Close(ctx)
			}
		}()
		typed := handlers.Typed(func(_ context.Context, t Tenant) error { return handle(spec, &t) })
		return p.runOn(ctx, watched{stream, j}, func(ctx context.Context, e *eds.Event) error {
			err := typed(ctx, e)
			j.done(e)
			return err
		})
	}
	return attend(spec, run, in, out, map[string]func() any{"journal": j.all})
}

// journal writes down when a worker's events were done, and when their entries
// were acknowledged.
type journal struct {
	mu       sync.Mutex
	seen     Journal
	settling map[string]int // by entry: the event's number
	err      error
}

func (j *journal) done(e *eds.Event) {
	n, err := eventNumber(e.ID)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.err = errors.Join(j.err, err)
	j.seen.Done = append(j.seen.Done, Moment{n, time.Now().UnixNano()})
}

func (j *journal) all() any {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return map[string]string{"err": j.err.Error()}
	}
	return j.seen
}

// eventNumber is the number that setNumber wrote.
func eventNumber(id string) (int, error) {
	if len(id) != idLength {
		return 0, fmt.Errorf("event id %q is none of the server's", id)
	}
	n, err := strconv.ParseInt(id[idLength-12:], 16, 64)
	return int(n), err
}

// watched is the transport, which tells of the entries that are settled.
type watched struct {
	*redisstream.Transport
	j *journal
}

func (w watched) Ack(ctx context.Context, d *eds.Delivery) error {
	n, err := eventNumber(d.Event.ID)
	w.j.mu.Lock()
	w.j.settling[d.Receipt] = n
	w.j.mu.Unlock()
	return errors.Join(err, w.Transport.Ack(ctx, d))
}

// journal implements redis.Hook: it sees the replies to XACK.

func (j *journal) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (j *journal) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (j *journal) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if err == nil && cmd.Name() == "xack" {
			j.acked(cmd.Args())
		}
		return err
	}
}

// acked takes the arguments of XACK: the name, stream, group, entries.
func (j *journal) acked(args []any) {
	now := time.Now().UnixNano()
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, arg := range args[3:] {
		entry, _ := arg.(string)
		if n, ok := j.settling[entry]; ok {
			delete(j.settling, entry)
			j.seen.Acked = append(j.seen.Acked, Moment{n, now})
		}
	}
}

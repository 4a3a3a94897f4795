package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	streamName = "orders"
	deadName   = "orders-dead"
	groupName  = "crm"
)

// entryID is the id of an entry in a stream: the milliseconds at which Redis
// took it, by the clock of this machine, and a number.
type entryID struct{ ms, seq int64 }

func parseID(s string) entryID {
	ms, seq, _ := strings.Cut(s, "-")
	var id entryID
	id.ms, _ = strconv.ParseInt(ms, 10, 64)
	id.seq, _ = strconv.ParseInt(seq, 10, 64)
	return id
}

func (id entryID) String() string { return fmt.Sprintf("%d-%d", id.ms, id.seq) }

func (id entryID) compare(o entryID) int {
	if id.ms != o.ms {
		return int(id.ms - o.ms)
	}
	return int(id.seq - o.seq)
}

// appended is an entry of a stream.
type appended struct {
	id    entryID
	event string
}

// look is what the group had at one instant, in one transaction.
type look struct {
	before, after time.Time // of the question and of the answer
	last          entryID   // the newest entry that was handed out
	pending       map[entryID]bool
}

// maxPending bounds a look. Workers that read ahead have some 128 each.
const maxPending = 10_000

// watcher reads along in Redis what is appended to the stream and what the
// group has in hand. It asks Redis itself, not what is under test.
type watcher struct {
	client *redis.Client

	mu      sync.Mutex
	entries []appended
	looks   []look
}

// run reads along until ctx ends.
func (w *watcher) run(ctx context.Context) {
	var readers sync.WaitGroup
	readers.Go(func() {
		for ctx.Err() == nil {
			if w.read(ctx, time.Second) != nil {
				pause(ctx, 50*time.Millisecond)
			}
		}
	})
	readers.Go(func() {
		for pause(ctx, 200*time.Millisecond) {
			_, _ = w.look(ctx)
		}
	})
	readers.Wait()
}

// read takes in what came behind what is known.
func (w *watcher) read(ctx context.Context, wait time.Duration) error {
	w.mu.Lock()
	from := "0-0"
	if n := len(w.entries); n > 0 {
		from = w.entries[n-1].id.String()
	}
	w.mu.Unlock()
	streams, err := w.client.XRead(ctx, &redis.XReadArgs{Streams: []string{streamName, from}, Count: 2000, Block: wait}).Result()
	if err != nil {
		if errors.Is(err, redis.Nil) {
			return nil
		}
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range streams[0].Messages {
		w.entries = append(w.entries, entryOf(m))
	}
	return nil
}

func entryOf(m redis.XMessage) appended {
	event, _ := m.Values["id"].(string)
	return appended{parseID(m.ID), event}
}

// look notes what the group has in hand, and returns it.
func (w *watcher) look(ctx context.Context) (look, error) {
	l := look{before: time.Now(), pending: map[entryID]bool{}}
	pipe := w.client.TxPipeline()
	groups := pipe.XInfoGroups(ctx, streamName)
	pending := pipe.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: streamName, Group: groupName, Start: "-", End: "+", Count: maxPending})
	if _, err := pipe.Exec(ctx); err != nil {
		return l, err
	}
	l.after = time.Now()
	i := slices.IndexFunc(groups.Val(), func(g redis.XInfoGroup) bool { return g.Name == groupName })
	if i < 0 {
		return l, fmt.Errorf("stream %s has no group %s", streamName, groupName)
	}
	if len(pending.Val()) >= maxPending {
		return l, fmt.Errorf("more than %d entries are pending", maxPending)
	}
	l.last = parseID(groups.Val()[i].LastDeliveredID)
	for _, p := range pending.Val() {
		l.pending[parseID(p.ID)] = true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks = append(w.looks, l)
	return l, nil
}

// settled tells whether the group has acknowledged all that is in the stream.
func (w *watcher) settled(ctx context.Context) bool {
	l, err := w.look(ctx)
	if err != nil || len(l.pending) > 0 {
		return false
	}
	newest, err := w.client.XRevRangeN(ctx, streamName, "+", "-", 1).Result()
	return err == nil && (len(newest) == 0 || parseID(newest[0].ID).compare(l.last) <= 0)
}

// finish reads the rest, and returns how many entries Redis has counted.
func (w *watcher) finish(ctx context.Context) (added int64, dead []appended, err error) {
	for {
		w.mu.Lock()
		known := len(w.entries)
		w.mu.Unlock()
		if err := w.read(ctx, time.Millisecond); err != nil {
			return 0, nil, err
		}
		w.mu.Lock()
		more := len(w.entries) > known
		w.mu.Unlock()
		if !more {
			break
		}
	}
	info, err := w.client.XInfoStream(ctx, streamName).Result()
	if err != nil {
		return 0, nil, err
	}
	letters, err := w.client.XRange(ctx, deadName, "-", "+").Result()
	if err != nil {
		return 0, nil, err
	}
	for _, m := range letters {
		dead = append(dead, entryOf(m))
	}
	return info.EntriesAdded, dead, nil
}

// pause waits, and tells whether ctx is still good.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

package redisstream

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// nobody is the consumer under whose name entries are that were given back.
const nobody = "released"

// pausing is that of those of a partition that GiveBack gave back, because
// their handler failed. They come when their pause is over, whoever reads the
// partition then; what a drain gives back comes first, see takeAll.
const pausing = "pausing"

// part is one stream of a Transport: the only one, or a partition.
type part struct {
	t      *Transport
	stream string

	// claims is held from the sending of a command that makes pending entries
	// ours, or ends that, until its reply is in held. Else a reply could bring
	// again what was acknowledged meanwhile.
	claims sync.Mutex

	// Guarded by t.mu.
	held     map[string]*entry // by id, all that is ours
	bytes    int64             // of held
	largest  int64             // entry of late
	settled  []*entry          // acked or released, to be told
	flushing bool
	reading  bool // a read is under way
	waits    bool // for room: no read tells whether Redis answers

	lease   *lease  // nil when the stream is the only one
	contact contact // of keep alone
}

func newPart(t *Transport, stream string) *part {
	p := &part{t: t, stream: stream, held: map[string]*entry{}}
	if t.partitions > 1 {
		p.lease = &lease{key: besides(stream, t.group, "reader")}
	}
	return p
}

// purpose is what entries are wanted for.
type purpose int

const (
	toRead  purpose = iota // what is new
	toClaim                // what comes again
)

// room returns how many entries may be had for a purpose. What comes again has
// some room that new ones cannot take: behind a backlog, it would have none.
// t.mu is held.
func (p *part) room(of purpose) int {
	parts := 1
	if p.lease != nil {
		if !p.lease.valid(p.t.minIdle) {
			return 0
		}
		parts = max(p.t.share, 1)
	}
	if !p.t.paused.IsZero() {
		return 0
	}
	n, size := max(p.t.window/parts, 1), p.t.windowBytes/int64(parts)
	if of == toClaim {
		n, size = n+max(n/8, 1), size+size/8
	}
	n, size = n-len(p.held), size-p.bytes
	if size <= 0 && len(p.held) > 0 {
		return 0
	}
	if p.largest == 0 {
		return min(max(n, 0), firstRead)
	}
	return min(max(n, 0), int(max(size/p.largest, 1)), maxRead)
}

// firstRead bounds the first read, while nothing is known of the size of entries.
const firstRead = 8

// maxRead bounds what one command brings. How large entries are is known when
// they are here: a window that has room for many small ones is exceeded by
// this many large ones at most. With 16 BenchmarkWork is slower by a fifth, with
// 64 by nothing that can be seen.
const maxRead = 64

// read reads the stream until Close.
func (p *part) read() {
	tries := pauses{first: 20 * time.Millisecond, longest: min(2*time.Second, p.t.minIdle/8)}
	open := false
	for {
		n := p.waitForRoom()
		if n == 0 {
			return
		}
		var err error
		switch {
		case !open:
			err = p.open()
		case p.unclaimed():
			err = p.takeAll(n)
		default:
			err = p.readSome(n)
		}
		p.t.mu.Lock()
		p.reading = false
		p.t.mu.Unlock()
		switch {
		case err == nil:
			open = true
			tries.reset()
			p.t.succeeded()
		case noGroup(err):
			open = false
		default:
			open = false
			if !p.t.failed(p.stream, err) || !tries.wait(p.t.reads) {
				return
			}
		}
	}
}

// waitForRoom returns how many entries may be read now; 0 at the end.
func (p *part) waitForRoom() int {
	for {
		p.t.mu.Lock()
		n, changed := p.room(toRead), p.t.changed
		p.reading = n > 0 && p.t.reads.Err() == nil
		p.waits = n == 0
		p.t.mu.Unlock()
		if p.t.reads.Err() != nil {
			return 0
		}
		if n > 0 {
			return n
		}
		select {
		case <-changed:
		case <-p.t.reads.Done():
		}
	}
}

// open makes the group and takes up what is pending under our name and not
// known here, because a reply was lost. That of a new lease takeAll does.
func (p *part) open() error {
	t := p.t
	err := groupScript.run(t.life, t.client, p.stream, t.group).Err()
	if err != nil && !redis.HasErrorPrefix(err, "BUSYGROUP") {
		return err
	}
	if p.unclaimed() {
		return nil
	}
	p.claims.Lock()
	defer p.claims.Unlock()
	own, err := t.client.XPendingExt(t.life, &redis.XPendingExtArgs{
		Stream: p.stream, Group: t.group, Start: "-", End: "+", Count: 10_000, Consumer: t.name,
	}).Result()
	if err != nil {
		return err
	}
	for _, o := range own {
		t.mu.Lock()
		_, known := p.held[o.ID]
		t.mu.Unlock()
		if known {
			continue
		}
		at := time.Now()
		got := redis.NewXMessageSliceCmd(t.life, "XCLAIM", p.stream, t.group, t.name, 0, o.ID, "RETRYCOUNT", o.RetryCount)
		if err := t.client.Process(t.life, got); err != nil {
			return err
		}
		for _, m := range got.Val() {
			p.takeIn([]*entry{p.newEntry(m.ID, m.Values, int(o.RetryCount), at)}, p.taken())
		}
	}
	return nil
}

// unclaimed tells whether the lease is so new that what is pending has to be
// taken up first.
func (p *part) unclaimed() bool {
	if p.lease == nil {
		return false
	}
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	return p.lease.fresh()
}

// longPoll is for how long a read waits for entries, and so what Close waits
// for at most.
const longPoll = 500 * time.Millisecond

func (p *part) readSome(n int) error {
	t := p.t
	pipe := t.client.Pipeline() // makes the command, and is not used further
	cmd := pipe.XReadGroup(t.life, &redis.XReadGroupArgs{
		Group: t.group, Consumer: t.name, Streams: []string{p.stream, ">"},
		Count: int64(n), Block: min(longPoll, t.minIdle/8),
	})
	at, left := time.Now(), p.taken()
	if err := t.client.Process(t.life, once{cmd}); err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	for _, s := range cmd.Val() {
		entries := make([]*entry, len(s.Messages))
		for i, m := range s.Messages {
			entries[i] = p.newEntry(m.ID, m.Values, 1, at)
		}
		p.takeIn(entries, left)
	}
	return nil
}

// once is a command that the client does not repeat by itself: when the reply
// to a read is lost, what it brought is to be looked for, see open.
type once struct{ *redis.XStreamSliceCmd }

func (once) NoRetry() bool { return true }

// taken is what the lease's left was when all that is pending was taken up.
func (p *part) taken() int {
	if p.lease == nil {
		return 0
	}
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	return p.lease.taken
}

// takeIn takes in entries that have become ours. Of a partition only as long
// as nothing was left since the lease's left was that: what is left goes
// before them, and they are taken up with it.
func (p *part) takeIn(entries []*entry, left int) {
	t := p.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.lease != nil && p.lease.left != left {
		return
	}
	for _, e := range entries {
		if known := p.held[e.id]; known != nil {
			known.alive = e.alive // ours all the time
			continue
		}
		p.held[e.id] = e
		p.bytes += e.size
		p.largest = max(e.size, p.largest-p.largest/16)
		t.ready = append(t.ready, e)
	}
	t.look()
}

// forget ends our hold on an entry. t.mu is held.
func (p *part) forget(e *entry) {
	if e.state != given {
		e.state = gone // one that is in work can still be settled
	}
	if p.held[e.id] == e {
		delete(p.held, e.id)
		p.bytes -= e.size
		p.t.change()
	}
}

// leave is the end: nothing is read any more.
func (p *part) leave(ctx context.Context) error {
	t := p.t
	t.mu.Lock()
	p.giveBack()
	for p.flushing {
		changed := t.changed
		t.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		t.mu.Lock()
	}
	returns := p.lease != nil && p.lease.held && len(p.held) == 0
	t.mu.Unlock()
	// The rest is a courtesy: all of it ends by itself.
	return await(ctx, func() {
		if returns {
			_ = p.returnLease()
		}
		_ = forgetScript.Run(t.life, t.client, []string{p.stream}, t.group, t.name).Err()
	})
}

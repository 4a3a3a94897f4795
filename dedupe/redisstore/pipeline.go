package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/internal/rediscall"
)

// maxPipeline bounds the commands of one pipeline. On loopback, commands in
// pipelines of 64 cost a twelfth of what they cost one by one, in pipelines of
// 256 a fourteenth: more gains little and delays the first replies.
const maxPipeline = 128

// pipeline sends the commands that are wanted at the same time together. It
// has no goroutine while there is nothing to send.
type pipeline struct {
	client redis.UniversalClient
	budget time.Duration
	guard  *guard
	heeds  bool // the client gives up when its context ends

	mu      sync.Mutex
	queue   []*call
	running int // senders
}

// call is a command on its way.
type call struct {
	cmd  redis.Cmder
	err  error         // why it was not answered in time; set before done
	done chan struct{} // one value, when the answer is there
}

var calls = sync.Pool{New: func() any { return &call{done: make(chan struct{}, 1)} }}

// do sends cmd and returns when it was answered, at the latest when budget
// has passed since its pipeline was sent. Its error is the transport's; the
// server's is in cmd.
//
// It does not watch a context: the wait is bounded, and asking a context for
// its channel costs more than the command.
func (p *pipeline) do(cmd redis.Cmder) error {
	p.mu.Lock()
	if p.heeds && p.running == 0 {
		p.running++
		p.mu.Unlock()
		return p.alone(cmd)
	}
	c := calls.Get().(*call) //nolint:forcetypeassert // there is nothing else in it
	c.cmd, c.err = cmd, nil
	p.queue = append(p.queue, c)
	// A second pipeline beside the first pays off only when it is full.
	start := p.running == 0 || (p.running == 1 && len(p.queue) >= maxPipeline)
	if start {
		p.running++
	}
	p.mu.Unlock()
	if start {
		go p.send()
	}
	<-c.done
	err := c.err
	c.cmd = nil
	calls.Put(c)
	return err
}

// alone sends cmd from the caller's goroutine, which saves a lone event two
// changes of goroutine, about as much time as the round trip itself.
func (p *pipeline) alone(cmd redis.Cmder) error {
	report, err := p.guard.allow()
	if err == nil {
		ctx, cancel := context.WithTimeout(background, p.budget)
		err = p.client.Process(ctx, cmd)
		cancel()
		if err != nil && aboutKey(err) {
			err = nil
		}
		report(err)
		err = nil // it is in cmd
	}
	p.mu.Lock()
	more := len(p.queue) > 0
	if !more {
		p.running--
	}
	p.mu.Unlock()
	if more {
		go p.send()
	}
	return err
}

// heedsContext tells whether a client gives up when its context ends, as its
// time-outs and retries by themselves take longer than an event can wait.
func heedsContext(client redis.UniversalClient) bool {
	switch c := client.(type) {
	case *redis.Client:
		return c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		return c.Options().ContextTimeoutEnabled
	}
	return false
}

// send sends pipelines until nothing is left to send.
func (p *pipeline) send() {
	for {
		batch := p.next()
		if batch == nil {
			return
		}
		if !p.sendOne(batch) {
			return
		}
	}
}

func (p *pipeline) next() []*call {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		p.running--
		return nil
	}
	n := min(len(p.queue), maxPipeline)
	batch := make([]*call, n)
	copy(batch, p.queue)
	rest := copy(p.queue, p.queue[n:])
	clear(p.queue[rest:])
	p.queue = p.queue[:rest]
	return batch
}

// sendOne sends a batch. It returns false when the callers were let go before
// the client returned; then somebody else may already be sending.
func (p *pipeline) sendOne(batch []*call) (inTime bool) {
	report, err := p.guard.allow()
	if err != nil {
		answer(batch, err)
		return true
	}
	// A call is its caller's again once it was answered.
	cmds := make([]redis.Cmder, len(batch))
	for i, c := range batch {
		cmds[i] = c.cmd
	}
	// The client's own time-outs are longer, and it tries several times; a
	// context does not stop it unless it was told so when it was made.
	var settled atomic.Bool
	watch := time.AfterFunc(p.budget, func() {
		if !settled.CompareAndSwap(false, true) {
			return
		}
		err := fmt.Errorf("%w: no answer from Redis within %v", dedupe.ErrUnavailable, p.budget)
		report(errSilent)
		p.mu.Lock()
		p.running--
		queued := p.queue
		p.queue = nil
		p.mu.Unlock()
		answer(batch, err)
		answer(queued, err) // they have waited as long, and would wait in vain
	})
	rediscall.Pipelined(background, p.client, cmds...)
	if !settled.CompareAndSwap(false, true) {
		return false
	}
	watch.Stop()
	report(health(cmds))
	answer(batch, nil)
	return true
}

func answer(batch []*call, err error) {
	for _, c := range batch {
		c.err = err
		c.done <- struct{}{}
	}
}

// health returns the first error that says something about the server rather
// than about one key.
func health(cmds []redis.Cmder) error {
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && !aboutKey(err) {
			return err
		}
	}
	return nil
}

// aboutKey tells whether a reply concerns one key or script alone.
func aboutKey(err error) bool {
	return errors.Is(err, redis.Nil) || redis.HasErrorPrefix(err, "WRONGTYPE") || redis.HasErrorPrefix(err, "NOSCRIPT")
}

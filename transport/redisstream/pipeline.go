package redisstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/internal/rediscall"
)

// maxPipeline bounds the commands of one pipeline. On loopback a command in
// pipelines of 64 costs a twelfth of what it costs alone, in pipelines of 256
// a fourteenth: more gains little and delays the first replies.
const maxPipeline = 128

// pipeline sends the commands that are wanted at the same time together. No
// timer delays them: what comes in while some are under way goes with the
// next. It has no goroutine while there is nothing to send.
type pipeline struct {
	client redis.UniversalClient

	// With replicas, each pipeline ends with a WAIT, on the master of waitKey.
	waitKey     string
	replicas    int
	waitTimeout time.Duration

	work sync.WaitGroup

	mu      sync.Mutex
	queue   []*call
	running int           // senders
	late    chan struct{} // see soon; nil until somebody waits
}

// call is a command on its way.
type call struct {
	cmd  redis.Cmder
	err  error
	done chan struct{} // closed when err is set
}

// do sends cmd and returns when it was answered or ctx has ended. cmd must not
// be used again.
func (p *pipeline) do(ctx context.Context, cmd redis.Cmder) error {
	c := &call{cmd: cmd, done: make(chan struct{})}
	p.mu.Lock()
	p.queue = append(p.queue, c)
	// A second pipeline beside the first pays off only when it is full.
	if p.running == 0 || p.running == 1 && len(p.queue) >= maxPipeline {
		p.running++
		p.work.Go(p.send)
	}
	late := p.soon()
	p.mu.Unlock()
	// Asking a context for its channel costs more than the command, and most
	// are answered before that.
	select {
	case <-c.done:
		return c.err
	case <-late:
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		p.giveUp(c)
		return context.Cause(ctx)
	}
}

// unwatched is for how long at most nobody looks whether a call's context has
// ended.
const unwatched = 50 * time.Millisecond

// soon returns what is closed within unwatched. All calls of that time share
// it, and its timer. p.mu is held.
func (p *pipeline) soon() <-chan struct{} {
	if p.late == nil {
		late := make(chan struct{})
		p.late = late
		time.AfterFunc(unwatched, func() {
			p.mu.Lock()
			p.late = nil
			p.mu.Unlock()
			close(late)
		})
	}
	return p.late
}

// giveUp keeps c from being sent late, if it was not sent yet.
func (p *pipeline) giveUp(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.queue, c); i >= 0 {
		p.queue = slices.Delete(p.queue, i, i+1)
	}
}

func (p *pipeline) send() {
	for {
		p.mu.Lock()
		n := min(len(p.queue), maxPipeline)
		if n == 0 {
			p.running--
			p.mu.Unlock()
			return
		}
		batch := slices.Clone(p.queue[:n])
		p.queue = slices.Delete(p.queue, 0, n)
		p.mu.Unlock()

		err := p.exec(batch)
		for _, c := range batch {
			if c.err = c.cmd.Err(); c.err == nil {
				c.err = err
			}
			close(c.done)
		}
	}
}

// exec returns an error that is all commands' beside their own.
func (p *pipeline) exec(batch []*call) error {
	if p.replicas > 0 {
		return p.execAndWait(batch)
	}
	rediscall.Pipelined(background, p.client, commands(batch)...)
	return nil
}

func commands(batch []*call) []redis.Cmder {
	cmds := make([]redis.Cmder, len(batch), len(batch)+1)
	for i, c := range batch {
		cmds[i] = c.cmd
	}
	return cmds
}

var errReplicas = errors.New("replicas have it")

func (p *pipeline) execAndWait(batch []*call) error {
	client := p.client
	cluster, ok := client.(*redis.ClusterClient)
	if ok {
		master, err := cluster.MasterForKey(background, p.waitKey)
		if err != nil {
			return err
		}
		client = master
	}
	reached := redis.NewIntCmd(background, "WAIT", p.replicas, p.waitTimeout.Milliseconds())
	rediscall.Pipelined(background, client, append(commands(batch), reached)...)
	n, err := reached.Result()
	if cluster != nil && slices.ContainsFunc(batch, func(c *call) bool { return c.cmd.Err() != nil }) {
		cluster.ReloadState(background) // the slot may be elsewhere by now, and this client does not follow
	}
	if err == nil && n < int64(p.replicas) {
		err = fmt.Errorf("%d of %d %w", n, p.replicas, errReplicas)
	}
	return err
}

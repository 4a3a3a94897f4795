package redisstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/rediscall"
	"github.com/eventdelivery/eds-go/internal/tracecontext"
)

// Publisher appends events to a stream. Make it with Publish and end it with
// Close. Its methods may be called from several goroutines.
type Publisher struct {
	settings
	streams  []string
	pipes    []*pipeline // one, or one per partition
	standing standing

	life  context.Context
	end   context.CancelFunc
	work  sync.WaitGroup
	start sync.Once
	full  chan struct{} // one value, when Redis was out of memory

	mu     sync.Mutex
	closed bool
}

// Publish returns a publisher to stream. It sends nothing yet; the client
// stays the caller's, who closes it after the Publisher. Its error joins an
// *eds.ConfigError for each wrong setting.
//
// Its method Handle is an eds.Handler, for a route or for middleware.DeadLetter.
func Publish(client redis.UniversalClient, stream string, opts ...PublisherOption) (*Publisher, error) {
	p := &Publisher{settings: defaults(), full: make(chan struct{}, 1)}
	for _, o := range opts {
		if o != nil {
			o.ofPublisher(&p.settings)
		}
	}
	if err := p.publisher(client, stream); err != nil {
		return nil, err
	}
	p.log = p.logger()
	p.streams = streamsOf(stream, p.partitions)
	p.life, p.end = context.WithCancel(context.Background())
	if p.replicas == 0 {
		p.pipes = []*pipeline{{client: client}}
		return p, nil
	}
	// WAIT is about one connection to one master.
	for _, s := range p.streams {
		p.pipes = append(p.pipes, &pipeline{client: client, waitKey: s, replicas: p.replicas, waitTimeout: p.sendTimeout * 3 / 4})
	}
	return p, nil
}

func streamsOf(name string, partitions int) []string {
	if partitions == 1 {
		return []string{name}
	}
	all := make([]string, partitions)
	for i := range all {
		all[i] = partitionName(name, i)
	}
	return all
}

// Handle appends the event and returns once Redis has it; with Replicas, once
// they have it. The trace context of ctx goes along, in the format that the
// program chose with otel.SetTextMapPropagator, in place of the event's own.
//
// When Redis does not take the event within SendTimeout, being out of reach,
// out of memory or failing over, the error is one of eds.Redeliver: the event
// is left with its service. It may then be in the stream or not, and twice
// after a repetition, with the same id.
func (p *Publisher) Handle(ctx context.Context, e *eds.Event) error {
	key := ""
	if p.key != nil {
		key = p.key(e)
	}
	i := 0
	if p.partitions > 1 {
		by := key
		if by == "" {
			by = e.ID
		}
		i = partitionOf(by, p.partitions)
	}
	limited := eds.WithTimeout(ctx, p.sendTimeout, errSilent)
	defer limited.Cancel()
	ctx = limited
	if err := p.begin(); err != nil {
		return eds.Redeliver(err)
	}
	defer p.work.Done()
	var room [24]any
	args := append(room[:0], "XADD", p.streams[i], "*")
	args = appendFields(args, e, key, tracecontext.Carried(ctx, e.Attributes))
	pause := pauses{first: 20 * time.Millisecond, longest: time.Second}
	var last error
	for {
		cmd := redis.NewStringCmd(background, args...)
		err := p.pipes[i%len(p.pipes)].do(ctx, cmd)
		if err == nil && cmd.Val() != "" {
			p.standing.took()
			return nil
		}
		if err == nil {
			err = errAppend
		}
		if outOfMemory(err) {
			p.filled()
		}
		if last == nil || !errors.Is(err, errSilent) {
			last = err
		}
		p.standing.troubled(p.streams[i], p.pipes[0].client, last, true)
		// What too few replicas have is in the stream all the same.
		if errors.Is(err, errReplicas) || judge(p.pipes[0].client, p.streams[i], err) != nil || !pause.wait(ctx) {
			return eds.Redeliver(fmt.Errorf("redisstream: append to stream %q: %w", p.streams[i], rediscall.Discreet(last)))
		}
	}
}

var (
	background = context.Background()
	errAppend  = errors.New("the reply names no entry") // which alone says that Redis has it
	errSilent  = errors.New("redis has not answered in time")
)

// begin counts an event as under way, and starts the trimming with the first.
func (p *Publisher) begin() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosed
	}
	p.start.Do(func() {
		if p.trimAbove >= 0 {
			p.work.Go(p.trimming)
		}
	})
	p.work.Add(1)
	return nil
}

// Close ends the Publisher: events that come after it are refused. It waits
// for those under way, until ctx ends.
func (p *Publisher) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.end()
	return await(ctx, func() {
		p.work.Wait()
		for _, pipe := range p.pipes {
			pipe.work.Wait()
		}
	})
}

// await returns once f has, or ctx has ended. f goes on then.
func await(ctx context.Context, f func()) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("redisstream: not closed in time: %w", context.Cause(ctx))
	}
}

package redisstream

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/rediscall"
)

// Transport is a worker's end of a stream. Make it with New.
type Transport struct {
	settings
	client redis.UniversalClient
	stream string
	group  string
	name   string // of this consumer
	parts  []*part

	life  context.Context // of commands; ends with Close
	end   context.CancelFunc
	reads context.Context // ends when nothing more is to be read
	stop  context.CancelFunc
	work  sync.WaitGroup // goroutines that end with reads

	wake chan struct{} // one value, when Receive should look again

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced when a part should look again
	started  bool
	closed   bool
	paused   time.Time // since when nobody receives; zero while somebody may
	ready    []*entry  // to be received
	final    error
	status   eds.Status
	trouble  bool // the last command failed
	settling int  // settled, and not known to Redis
	share    int  // of the partitions, how many are ours
}

var (
	_ eds.Transport      = (*Transport)(nil)
	_ eds.StatusReporter = (*Transport)(nil)
	_ eds.Validator      = (*Transport)(nil)
)

// New returns a worker's Transport, of the stream and the group, which it
// makes where they are not there, from the stream's first entry on. It sends
// nothing before the first Receive; Validate checks the settings. The client
// stays the caller's, who closes it after the Transport. Each worker needs
// its own Transport, and has a name of its own in the group.
//
// Not to be able to reach Redis is never final. A refusal of the credentials
// is an *eds.AuthError, with the code 401, or 403 where the ACL forbids a command; a key
// of another type an *eds.ConfigError.
func New(client redis.UniversalClient, stream, group string, opts ...WorkerOption) *Transport {
	t := &Transport{
		settings: defaults(), client: client, stream: stream, group: group,
		wake: make(chan struct{}, 1), changed: make(chan struct{}),
		status: eds.Status{Since: time.Now()},
	}
	for _, o := range opts {
		if o != nil {
			o.ofWorker(&t.settings)
		}
	}
	t.log = t.logger().With(slog.String("stream", stream), slog.String("group", group))
	t.name = newName()
	t.life, t.end = context.WithCancel(background)
	t.reads, t.stop = context.WithCancel(t.life)
	return t
}

// newName is a name that no other worker has and that tells whose it is.
func newName() string {
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	return host + "-" + rand.Text()[:12]
}

// Validate implements eds.Validator.
func (t *Transport) Validate() error { return t.worker(t.client, t.stream, t.group) }

// Consumer is the name of this worker in the group.
func (t *Transport) Consumer() string { return t.name }

// Receive implements eds.Transport.
func (t *Transport) Receive(ctx context.Context) (*eds.Delivery, error) {
	if err := t.begin(); err != nil {
		return nil, err
	}
	for {
		if ctx.Err() != nil {
			t.pause()
			return nil, ctx.Err()
		}
		e, err := t.next()
		if err != nil {
			return nil, err
		}
		if e != nil {
			return &e.Delivery, nil
		}
		select {
		case <-ctx.Done():
		case <-t.wake:
		}
	}
}

// begin starts the work with the first Receive.
func (t *Transport) begin() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return errClosed
	case t.started:
		if !t.paused.IsZero() {
			t.paused = time.Time{}
			t.change()
		}
		return nil
	}
	if err := t.Validate(); err != nil {
		return err
	}
	t.started = true
	for _, stream := range streamsOf(t.stream, t.partitions) {
		p := newPart(t, stream)
		t.parts = append(t.parts, p)
	}
	for _, p := range t.parts {
		t.work.Go(p.read)
		t.work.Go(p.keep)
	}
	return nil
}

// next returns what is to be handed out next; nil when there is nothing.
func (t *Transport) next() (*entry, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, errClosed
	}
	for len(t.ready) > 0 {
		e := t.ready[0]
		t.ready[0] = nil
		t.ready = t.ready[1:]
		if e.state != waiting {
			continue // disowned meanwhile
		}
		if time.Since(e.alive) >= t.minIdle {
			e.part.disown(e) // somebody else may have it, or soon will
			continue
		}
		e.state = given
		t.status.LastEvent = time.Now()
		return e, nil
	}
	return nil, t.final
}

// pause stops the reading until somebody receives again.
func (t *Transport) pause() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.paused.IsZero() {
		t.paused = time.Now()
	}
}

// Ack implements eds.Transport. Acknowledgements of the same moment go
// together, and are tried again until Redis has taken them or Close gives up.
// A delivery that was settled before returns eds.ErrReceiptLost.
func (t *Transport) Ack(_ context.Context, d *eds.Delivery) error { return t.settle(d, acked) }

// Nack implements eds.Transport: the event comes again, on any worker, after
// a pause, see NackDelay.
func (t *Transport) Nack(_ context.Context, d *eds.Delivery) error { return t.settle(d, released) }

func (t *Transport) settle(d *eds.Delivery, as state) error {
	e, ours := d.Tag.(*entry)
	if !ours || e.part.t != t {
		return eds.ErrReceiptLost
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case e.state != given:
		return eds.ErrReceiptLost
	case t.closed:
		return errClosed
	}
	e.part.settle(e, as)
	return nil
}

// Status implements eds.StatusReporter. Connected is a Transport whose last
// command was answered.
func (t *Transport) Status() eds.Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.status
	s.Unconfirmed = t.settling
	return s
}

func (t *Transport) enter(s eds.State) {
	if t.status.State != s {
		t.status.State, t.status.Since = s, time.Now()
	}
}

// succeeded notes that Redis has answered.
func (t *Transport) succeeded() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.LastRead = time.Now()
	if t.closed || t.final != nil || t.status.State == eds.Connected {
		return
	}
	t.enter(eds.Connected)
	t.status.Connects++
	if t.trouble {
		t.trouble = false
		t.log.Info("redis is back")
	}
}

// failed notes that it has not. It returns false when it never will.
func (t *Transport) failed(stream string, err error) bool {
	final := judge(t.client, stream, err)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.final != nil {
		return false
	}
	t.status.Err = rediscall.Discreet(err)
	if final != nil {
		t.final, t.status.Err = final, final
		t.enter(eds.Refused)
		t.stop()
		t.look()
		return false
	}
	t.enter(eds.Connecting)
	if !t.trouble {
		t.trouble = true
		t.log.Warn("redis does not answer, trying again", slog.Any("err", rediscall.Discreet(err)))
	}
	return true
}

// look has Receive look again.
func (t *Transport) look() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// change has the parts look again. t.mu is held.
func (t *Transport) change() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// Close implements eds.Transport. What was read and not handed out goes back
// to the group, and acknowledgements go out, until ctx ends. What was handed
// out and not settled is taken over by other workers after MinIdle.
func (t *Transport) Close(ctx context.Context) error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.stop()
	t.look()
	err := await(ctx, t.work.Wait)
	if err == nil {
		// Now nothing is read any more.
		for _, p := range t.parts {
			err = errors.Join(err, p.leave(ctx))
		}
		if t.partitions > 1 && t.started {
			_ = await(ctx, func() { t.client.ZRem(t.life, t.rollKey(), t.name) })
		}
	}
	t.end()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.enter(eds.Closed)
	return err
}

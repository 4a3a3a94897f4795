package edsv2

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/wsconn"
)

// Transport receives the events of one queue. Make it with New. It holds one
// connection at most, and closes it before it opens the next one.
type Transport struct {
	settings
	invalid error // what is wrong with the settings

	url    string // to dial; never shown
	shown  string // the same without what could be secret
	host   string
	queue  string
	source string
	client *http.Client

	session atomic.Pointer[session]
	done    chan struct{} // closed by Close

	// Of the goroutine in Receive.
	backoff   *wsconn.Backoff
	standby   wsconn.Standby
	rekeyed   bool // the last try was with a key that replaced a refused one
	notBefore time.Time
	types     map[string]string
	watched   <-chan struct{} // of the context whose end interrupts reading
	unwatch   func() bool

	mu       sync.Mutex // guards what follows
	closed   bool
	final    error
	lastErr  error
	state    eds.State
	since    time.Time
	connects uint64
	past     Stats     // of the sessions that have ended
	lastRead time.Time // likewise

	lastEvent atomic.Int64 // Unix nanoseconds; 0 for never
	counters  counters
}

var (
	_ eds.Transport      = (*Transport)(nil)
	_ eds.StatusReporter = (*Transport)(nil)
	_ eds.Validator      = (*Transport)(nil)
)

// New returns a transport for a queue of the service at url: wss://HOST with
// the path and further query parameters that the service asks for, which are
// kept. It dials nothing. What is wrong with the settings is told by Validate
// and by the first Receive.
func New(url, queue string, opts ...Option) *Transport {
	t := &Transport{
		settings: defaults(),
		done:     make(chan struct{}),
		types:    map[string]string{},
		since:    time.Now(),
	}
	for _, o := range opts {
		if o != nil {
			o(&t.settings)
		}
	}
	if t.log == nil {
		t.log = slog.Default()
	}
	t.invalid = t.validate(url, queue)
	if t.invalid == nil {
		t.client = t.httpClient()
		t.backoff = wsconn.NewBackoff(t.backoffMin, t.backoffMax)
	}
	return t
}

// Receive returns the next delivery, over as many connections as it takes. Its
// error is final: ctx's error when ctx ended, which costs neither the
// connection nor an event; an *eds.AuthError when the key was refused; an
// *eds.ConfigError when the URL or the queue was.
func (t *Transport) Receive(ctx context.Context) (*eds.Delivery, error) {
	if t.invalid != nil {
		return nil, t.invalid
	}
	t.watch(ctx)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s := t.session.Load()
		if s == nil {
			if err := t.refusedOrClosed(); err != nil {
				return nil, err
			}
			if err := t.connect(ctx); err != nil {
				return nil, err
			}
			continue
		}
		d, err := s.next()
		switch {
		case err == nil:
			return d, nil
		case errors.Is(err, wsconn.ErrInterrupted) && s.conn.Err() == nil:
			if ctx.Err() == nil {
				s.conn.Resume() // that was for an earlier context
			}
		default:
			if err := t.lost(ctx, s, err); err != nil {
				return nil, err
			}
		}
	}
}

// watch has the end of ctx interrupt the wait for the network. It costs nothing
// as long as the context stays the same.
func (t *Transport) watch(ctx context.Context) {
	done := ctx.Done()
	if done == t.watched {
		return
	}
	if t.unwatch != nil {
		t.unwatch()
	}
	t.watched = done
	t.unwatch = context.AfterFunc(ctx, func() {
		if s := t.session.Load(); s != nil {
			s.conn.Interrupt()
		}
	})
}

func (t *Transport) refusedOrClosed() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return errClosed
	}
	return t.final
}

// Ack sends the acknowledgement, or has it sent together with others within a
// millisecond. No receipt is sent twice. It returns eds.ErrReceiptLost when
// the connection that brought the delivery is gone, and nil without sending
// when the delivery has no receipt. ctx is not looked at: a write is bounded
// by WriteTimeout, since giving it up would cost the connection.
func (t *Transport) Ack(_ context.Context, d *eds.Delivery) error {
	if d.Receipt == "" {
		return nil
	}
	s, _ := d.Tag.(*session)
	if s == nil || s.over.Load() || s != t.session.Load() {
		return eds.ErrReceiptLost
	}
	if err := s.ack(d.Receipt); err != nil {
		return t.safe("cannot acknowledge", err, s.key)
	}
	return nil
}

// Nack does nothing: the protocol has no such message. The service delivers
// the event again once its visibility time-out has passed.
func (t *Transport) Nack(context.Context, *eds.Delivery) error { return nil }

// Close sends what is still held back, waits up to two seconds for the
// confirmations that are out, if the service confirms at all, and ends the
// connection with the close code 1000, so that the queue is free at once.
func (t *Transport) Close(ctx context.Context) error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	close(t.done)
	t.enter(eds.Closed)
	t.mu.Unlock()
	if t.unwatch != nil {
		t.unwatch()
	}
	s := t.session.Swap(nil)
	if s == nil {
		return nil
	}
	if err := s.finish(ctx); err != nil {
		return t.safe("cannot send the last acknowledgements", err, s.key)
	}
	return nil
}

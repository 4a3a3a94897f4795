package edsv2

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/wslink"
)

// Transport receives the events of one queue. Make it with New. It holds one
// connection at most, and closes it before it opens the next one.
type Transport struct {
	settings
	invalid error // what is wrong with the settings

	queue  string
	source string
	link   *wslink.Link[*session]

	// Of the goroutine in Receive.
	got   *eds.Delivery
	types map[string]string

	mu   sync.Mutex
	past Stats // of the sessions that have ended; guarded by mu

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
	t := &Transport{settings: defaults(), types: map[string]string{}}
	for _, o := range opts {
		if o != nil {
			o(&t.settings)
		}
	}
	if t.Log == nil {
		t.Log = slog.Default()
	}
	t.invalid = t.validate(url, queue)
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
	if err := t.link.Do(ctx, (*session).next); err != nil {
		return nil, err
	}
	return t.got, nil
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
	if s == nil || s.Over() {
		return eds.ErrReceiptLost
	}
	if err := s.ack(d.Receipt); err != nil {
		return t.link.Safe("cannot acknowledge", err, s.Key)
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
	if t.link == nil {
		return nil
	}
	return t.link.Close(ctx, func(s *session) error {
		if err := s.Finish(ctx, s.drain); err != nil {
			return t.link.Safe("cannot send the last acknowledgements", err, s.Key)
		}
		return nil
	})
}

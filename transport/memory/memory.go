// Package memory is a transport without a network: for tests, and for
// programs that publish to themselves.
//
// It behaves like a service with acknowledgements: what is given back, or not
// acknowledged within the visibility time-out, is delivered again with a new
// receipt. Nothing survives the process.
package memory

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// ErrClosed is returned by Publish and Receive after Close.
var ErrClosed = errors.New("memory: the transport is closed")

// Option changes a Transport.
type Option func(*Transport)

// VisibilityTimeout is how long a delivery may stay unacknowledged before its
// event is delivered again. The default is zero: for ever.
func VisibilityTimeout(d time.Duration) Option {
	return func(t *Transport) { t.visibility = d }
}

// Window bounds the deliveries that are unacknowledged at one time. The
// default is zero: no bound.
func Window(n int) Option {
	return func(t *Transport) { t.window = n }
}

// Transport is a queue in memory. Create it with New. All methods are safe
// for concurrent use.
type Transport struct {
	name       string
	visibility time.Duration
	window     int

	mu       sync.Mutex
	wake     chan struct{} // closed and replaced when something changed
	ready    []message
	unacked  map[string]message // by receipt
	receipts uint64
	acked    uint64
	closed   bool
	last     time.Time
}

type message struct {
	event   eds.Event
	attempt int
	until   time.Time // while unacknowledged; zero for ever
}

// New returns an empty queue; name becomes the Queue of its events.
func New(name string, opts ...Option) *Transport {
	t := &Transport{name: name, wake: make(chan struct{}), unacked: make(map[string]message)}
	for _, opt := range opts {
		if opt != nil {
			opt(t)
		}
	}
	return t
}

// Validate reports settings that make no sense.
func (t *Transport) Validate() error {
	var mistakes []error
	if t.visibility < 0 {
		mistakes = append(mistakes, &eds.ConfigError{Setting: "memory.VisibilityTimeout", Value: t.visibility.String(), Reason: "must not be negative"})
	}
	if t.window < 0 {
		mistakes = append(mistakes, &eds.ConfigError{Setting: "memory.Window", Value: strconv.Itoa(t.window), Reason: "must not be negative"})
	}
	return errors.Join(mistakes...)
}

// Publish appends an event. Source and Queue are filled in when empty; an
// event without an ID is refused. The transport keeps the Payload, so do not
// change it afterwards.
func (t *Transport) Publish(e eds.Event) error {
	if e.ID == "" {
		return fmt.Errorf("memory: an event of type %q has no ID", e.Type)
	}
	if e.Queue == "" {
		e.Queue = t.name
	}
	if e.Source == "" {
		e.Source = "memory://local/" + t.name
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	t.ready = append(t.ready, message{event: e})
	t.changed()
	return nil
}

// Handle is Publish as an eds.Handler, so that a queue can be a sink.
func (t *Transport) Handle(_ context.Context, e *eds.Event) error { return t.Publish(*e) }

// Receive returns the next delivery.
func (t *Transport) Receive(ctx context.Context) (*eds.Delivery, error) {
	for {
		d, wake, due, err := t.take()
		if d != nil || err != nil {
			return d, err
		}
		var expired <-chan time.Time // nil, and so for ever, when nothing is due
		if !due.IsZero() {
			expired = time.After(time.Until(due))
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-wake:
		case <-expired:
		}
	}
}

// take returns a delivery, or what to wait for when there is none.
func (t *Transport) take() (d *eds.Delivery, wake <-chan struct{}, due time.Time, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, nil, due, ErrClosed
	}
	now := time.Now()
	due = t.expire(now)
	if len(t.ready) == 0 || t.window > 0 && len(t.unacked) >= t.window {
		return nil, t.wake, due, nil
	}
	m := t.ready[0]
	t.ready[0] = message{}
	t.ready = t.ready[1:]
	m.attempt++
	d = &eds.Delivery{Event: m.event, Received: now}
	d.Event.Attempt = m.attempt
	if t.visibility > 0 {
		m.until = now.Add(t.visibility)
		d.Deadline = m.until
	}
	t.receipts++
	d.Receipt = "memory-" + strconv.FormatUint(t.receipts, 10)
	t.unacked[d.Receipt] = m
	t.last = now
	return d, nil, due, nil
}

// expire makes overdue deliveries ready again and returns when the next one
// is due.
func (t *Transport) expire(now time.Time) (next time.Time) {
	for receipt, m := range t.unacked {
		switch {
		case m.until.IsZero():
		case !m.until.After(now):
			delete(t.unacked, receipt)
			t.ready = append(t.ready, m)
		case next.IsZero() || m.until.Before(next):
			next = m.until
		}
	}
	return next
}

// Ack removes the event. A receipt that is no longer valid returns
// eds.ErrReceiptLost.
func (t *Transport) Ack(_ context.Context, d *eds.Delivery) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.unacked[d.Receipt]; !ok {
		return eds.ErrReceiptLost
	}
	delete(t.unacked, d.Receipt)
	t.acked++
	t.changed()
	return nil
}

// Nack makes the event ready again at once, behind those that wait.
func (t *Transport) Nack(_ context.Context, d *eds.Delivery) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, ok := t.unacked[d.Receipt]
	if !ok {
		return eds.ErrReceiptLost
	}
	delete(t.unacked, d.Receipt)
	t.ready = append(t.ready, m)
	t.changed()
	return nil
}

// Close ends the transport. What is in it is lost.
func (t *Transport) Close(context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.closed = true
		t.changed()
	}
	return nil
}

// Status says Connected until Close.
func (t *Transport) Status() eds.Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := eds.Status{State: eds.Connected, LastEvent: t.last, LastRead: t.last, Connects: 1}
	if t.closed {
		s.State = eds.Closed
	}
	return s
}

// Counts tells how many events wait, are out for delivery, and were
// acknowledged so far.
func (t *Transport) Counts() (ready, unacked int, acked uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(time.Now())
	return len(t.ready), len(t.unacked), t.acked
}

// Wait blocks until nothing waits and nothing is out for delivery, or ctx
// ends.
func (t *Transport) Wait(ctx context.Context) error {
	for {
		t.mu.Lock()
		idle, wake := len(t.ready)+len(t.unacked) == 0, t.wake
		t.mu.Unlock()
		if idle {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wake:
		}
	}
}

func (t *Transport) changed() {
	close(t.wake)
	t.wake = make(chan struct{})
}

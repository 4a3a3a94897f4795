package eds_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// script is a transport whose deliveries a test writes down, and which notes
// what became of them.
type script struct {
	in chan *eds.Delivery

	mu      sync.Mutex
	settled []string // "ack R1", "nack R2", in order
	closed  bool
	final   error // returned by Receive when in is closed
	asked   int   // calls of Receive
	ackErr  error
	ackWait time.Duration // how long an Ack blocks, as on a full socket
}

func newScript() *script { return &script{in: make(chan *eds.Delivery, 1024)} }

func (s *script) Receive(ctx context.Context) (*eds.Delivery, error) {
	s.mu.Lock()
	s.asked++
	s.mu.Unlock()
	select {
	case d, ok := <-s.in:
		if !ok {
			return nil, s.final
		}
		d.Received = time.Now()
		return d, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *script) Ack(ctx context.Context, d *eds.Delivery) error  { return s.note("ack", ctx, d) }
func (s *script) Nack(ctx context.Context, d *eds.Delivery) error { return s.note("nack", ctx, d) }

func (s *script) note(what string, ctx context.Context, d *eds.Delivery) error {
	if ctx.Err() != nil {
		what = "late " + what
	}
	time.Sleep(s.ackWait) // fake time: every script runs in a bubble
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		what = "closed " + what
	}
	s.settled = append(s.settled, what+" "+d.Receipt)
	return s.ackErr
}

func (s *script) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

func (s *script) deliver(id, eventType, receipt string) {
	s.in <- &eds.Delivery{
		Event:   eds.Event{ID: id, Type: eventType, Source: "test://host/q", Queue: "q", Payload: []byte(`{}`)},
		Receipt: receipt,
	}
}

func (s *script) log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.settled)
}

func (s *script) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := s.log(); !slices.Equal(got, want) {
		t.Errorf("settled %q, want %q", got, want)
	}
}

// running runs an App in a bubble until stop is called.
type running struct {
	*script
	app    *eds.App
	cancel context.CancelFunc
	stop   func() error // ends Run's context and returns Run's result
	done   func() bool
}

// bubble runs f beside a running App whose clock is fake.
func bubble(t *testing.T, build func(*eds.App), f func(t *testing.T, r *running), opts ...eds.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &running{script: newScript()}
		opts = append([]eds.Option{eds.Logger(slog.New(slog.DiscardHandler))}, opts...)
		r.app = eds.New(r.script, opts...)
		build(r.app)
		ctx, cancel := context.WithCancel(t.Context())
		r.cancel = cancel
		result := make(chan error, 1)
		go func() { result <- r.app.Run(ctx) }()
		stopped := false
		var err error
		r.stop = func() error {
			cancel()
			if !stopped {
				err, stopped = <-result, true
			}
			return err
		}
		r.done = func() bool {
			synctest.Wait()
			select {
			case err = <-result:
				stopped = true
				return true
			default:
				return stopped
			}
		}
		defer r.stop()
		f(t, r)
	})
}

func handle(h eds.Handler) func(*eds.App) {
	return func(a *eds.App) { a.Handle("*", h) }
}

var errBoom = errors.New("boom")

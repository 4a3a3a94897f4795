package transporttest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/memory"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var features = Features{Bubble: true, Ordered: true, Nack: true, Redelivery: 30 * time.Second, NewReceipts: true}

// far is a memory queue that outlives its transports, so that there is
// something to reconnect to.
type far struct {
	*memory.Transport
	mu    sync.Mutex
	acked map[string]chan struct{}
}

func newFar() *far {
	return &far{
		Transport: memory.New("q", memory.VisibilityTimeout(30*time.Second)),
		acked:     make(map[string]chan struct{}),
	}
}

func (f *far) done(id string) chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.acked[id] == nil {
		f.acked[id] = make(chan struct{})
	}
	return f.acked[id]
}

func (f *far) service(wrap func(eds.Transport) eds.Transport) Service {
	return Service{
		Publish: func(_ context.Context, e eds.Event) error { return f.Publish(e) },
		Dial:    func() eds.Transport { return wrap(&near{far: f}) },
		WaitAcked: func(ctx context.Context, id string) error {
			select {
			case <-f.done(id):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	}
}

// near is one connection to far.
type near struct {
	far    *far
	mu     sync.Mutex
	closed bool
}

var errClosed = errors.New("closed")

func (n *near) isClosed() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.closed
}

func (n *near) Receive(ctx context.Context) (*eds.Delivery, error) {
	if n.isClosed() {
		return nil, errClosed
	}
	return n.far.Receive(ctx)
}

func (n *near) Ack(ctx context.Context, d *eds.Delivery) error {
	err := n.far.Ack(ctx, d)
	if err == nil {
		close(n.far.done(d.Event.ID))
	}
	return err
}

func (n *near) Nack(ctx context.Context, d *eds.Delivery) error { return n.far.Nack(ctx, d) }

func (n *near) Close(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	return nil
}

func right(t eds.Transport) eds.Transport { return t }

func TestARightTransportPasses(t *testing.T) {
	Run(t, features, func(testing.TB) Service { return newFar().service(right) })
}

// wrong changes a right transport into one that breaks a rule.
type wrong struct {
	eds.Transport
	receive func(context.Context) (*eds.Delivery, error)
	ack     func(context.Context, *eds.Delivery) error
	nack    func(context.Context, *eds.Delivery) error
	close   func(context.Context) error
}

func (w wrong) Receive(ctx context.Context) (*eds.Delivery, error) {
	if w.receive != nil {
		return w.receive(ctx)
	}
	return w.Transport.Receive(ctx)
}

func (w wrong) Ack(ctx context.Context, d *eds.Delivery) error {
	if w.ack != nil {
		return w.ack(ctx, d)
	}
	return w.Transport.Ack(ctx, d)
}

func (w wrong) Nack(ctx context.Context, d *eds.Delivery) error {
	if w.nack != nil {
		return w.nack(ctx, d)
	}
	return w.Transport.Nack(ctx, d)
}

func (w wrong) Close(ctx context.Context) error {
	if w.close != nil {
		return w.close(ctx)
	}
	return w.Transport.Close(ctx)
}

// TestWrongTransportsAreCaught proves the suite: each wrong transport breaks
// just the rule that is named.
func TestWrongTransportsAreCaught(t *testing.T) {
	for name, row := range map[string]struct {
		rules []string
		wrap  func(eds.Transport) eds.Transport
	}{
		"acknowledges on arrival": {[]string{"unacked_comes_again"}, func(t eds.Transport) eds.Transport {
			return wrong{Transport: t, ack: func(context.Context, *eds.Delivery) error { return nil },
				receive: func(ctx context.Context) (*eds.Delivery, error) {
					d, err := t.Receive(ctx)
					if err == nil {
						_ = t.Ack(ctx, d)
					}
					return d, err
				}}
		}},
		"forgets acknowledgements": {[]string{"ack_is_final", "ack_waits_for_nobody", "close_flushes"}, func(t eds.Transport) eds.Transport {
			return wrong{Transport: t, ack: func(context.Context, *eds.Delivery) error { return nil }}
		}},
		"acknowledges when asked to give back": {[]string{"nack_comes_again"}, func(t eds.Transport) eds.Transport {
			return wrong{Transport: t, nack: t.Ack}
		}},
		"cuts payloads": {[]string{"event_arrives_whole", "odd_payloads"}, func(t eds.Transport) eds.Transport {
			return wrong{Transport: t, receive: func(ctx context.Context) (*eds.Delivery, error) {
				d, err := t.Receive(ctx)
				if err == nil {
					d.Event.Payload = d.Event.Payload[:len(d.Event.Payload)-1]
				}
				return d, err
			}}
		}},
		"delivers twice": {[]string{"order", "ack_beside_receive"}, func(t eds.Transport) eds.Transport {
			var last *eds.Delivery
			return wrong{Transport: t, receive: func(ctx context.Context) (*eds.Delivery, error) {
				if d := last; d != nil {
					last = nil
					return d, nil
				}
				d, err := t.Receive(ctx)
				if err == nil {
					last = d
				}
				return d, err
			}}
		}},
		"ignores cancellation": {[]string{"cancelled_receive"}, func(t eds.Transport) eds.Transport {
			return wrong{Transport: t, receive: func(ctx context.Context) (*eds.Delivery, error) {
				d, err := t.Receive(ctx)
				if errors.Is(err, context.Canceled) {
					return nil, errors.New("something else")
				}
				return d, err
			}}
		}},
		"receives after its end": {[]string{"closed"}, func(t eds.Transport) eds.Transport {
			return wrong{Transport: t, close: func(context.Context) error { return nil }}
		}},
		"refuses to acknowledge": {[]string{"through_an_app"}, func(t eds.Transport) eds.Transport {
			return wrong{Transport: t, ack: func(context.Context, *eds.Delivery) error { return errors.New("not today") }}
		}},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			for _, r := range rules {
				if !slices.Contains(row.rules, r.name) {
					continue
				}
				var err error
				synctest.Test(t, func(t *testing.T) {
					f := features
					err = check(t, r, f, newFar().service(row.wrap))
				})
				if err == nil {
					t.Errorf("rule %s accepts a transport that %s", r.name, name)
				} else {
					t.Logf("caught: %v", err)
				}
			}
		})
	}
}

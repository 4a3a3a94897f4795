package pulsarws_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/pulsarserver"
	"github.com/eventdelivery/eds-go/transport/cursor"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
	"github.com/eventdelivery/eds-go/transport/transporttest"
)

// TestRealPulsarConsumerConformance runs on the broker what
// TestConsumerConformance runs on the stand-in.
func TestRealPulsarConsumerConformance(t *testing.T) {
	for name, opts := range map[string][]pulsarws.ConsumerOption{
		"exclusive":       nil,
		"failover":        {pulsarws.Subscribe(pulsarws.Failover)},
		"shared":          {pulsarws.Subscribe(pulsarws.Shared)},
		"key_shared":      {pulsarws.Subscribe(pulsarws.KeyShared)},
		"pull":            {pulsarws.PullMode()},
		"pull_one_by_one": {pulsarws.Subscribe(pulsarws.Shared), pulsarws.PullMode(), pulsarws.ReceiverQueueSize(1)},
		"window_1":        {pulsarws.ReceiverQueueSize(1)},
		"ack_timeout":     {pulsarws.Subscribe(pulsarws.Shared), pulsarws.AckTimeout(time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits most of the time
			srv := pulsarserver.Shared(t)
			f := transporttest.Features{Ordered: true, Nack: true, BoundReceipts: true, Patience: 20 * time.Second}
			if name == "ack_timeout" {
				f.Redelivery = 2 * time.Second // it counts in steps of a second
			}
			transporttest.Run(t, f, func(t testing.TB) transporttest.Service {
				far := realFarEnd(t, srv)
				far.WaitAcked = far.waitAcked
				far.Dial = func() eds.Transport {
					return pulsarws.NewConsumer(srv.URL, far.topic, testSub, append([]pulsarws.ConsumerOption{
						pulsarws.FromEarliest(), pulsarws.NackDelay(time.Second),
						pulsarws.DialContext(far.line.dial), pulsarws.Logger(quiet), pulsarws.Backoff(50*time.Millisecond, time.Second),
					}, opts...)...)
				}
				return far.Service
			})
		})
	}
}

func TestRealPulsarReaderConformance(t *testing.T) {
	for name, opts := range map[string][]pulsarws.ReaderOption{
		"earliest": {pulsarws.From(pulsarws.Earliest)},
		"window_1": {pulsarws.From(pulsarws.Earliest), pulsarws.ReceiverQueueSize(1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits most of the time
			srv := pulsarserver.Shared(t)
			f := transporttest.Features{Ordered: true, Nack: true, Patience: 20 * time.Second}
			transporttest.Run(t, f, func(t testing.TB) transporttest.Service {
				far, store := realFarEnd(t, srv), cursor.NewMemory()
				far.Dial = func() eds.Transport {
					return pulsarws.NewReader(srv.URL, far.topic, append([]pulsarws.ReaderOption{
						pulsarws.Cursor(store, "r"), pulsarws.RedeliveryDelay(time.Second),
						pulsarws.DialContext(far.line.dial), pulsarws.Logger(quiet), pulsarws.Backoff(50*time.Millisecond, time.Second),
					}, opts...)...)
				}
				return far.Service
			})
		})
	}
}

// realFar is a topic of a real Pulsar as transporttest sees it.
type realFar struct {
	transporttest.Service
	srv   *pulsarserver.Server
	topic string
	line  line
}

func realFarEnd(t testing.TB, srv *pulsarserver.Server) *realFar {
	f := &realFar{srv: srv, topic: srv.Topic()}
	pub := publisher(t, srv.URL, f.topic)
	f.Publish = func(ctx context.Context, e eds.Event) error { return pub.Handle(ctx, &e) }
	f.Disconnect = f.line.cut
	return f
}

// waitAcked waits until nothing of the topic is unacknowledged: the broker
// does not tell about single messages.
func (f *realFar) waitAcked(ctx context.Context, id string) error {
	for {
		if f.srv.Stats(f.topic).Subscriptions[testSub].Backlog == 0 {
			return nil
		}
		// real time: the broker tells nobody when an acknowledgement has come
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", id, errors.New("the backlog is not empty"))
		}
	}
}

// publisher returns one that is closed at the end of the test.
func publisher(t testing.TB, url, topic string, opts ...pulsarws.PublisherOption) *pulsarws.Publisher {
	t.Helper()
	pub, err := pulsarws.Publish(url, topic, append([]pulsarws.PublisherOption{
		pulsarws.Logger(quiet), pulsarws.MaxPublishBytes(8 << 20),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pub.Close(context.Background()) })
	return pub
}

// line is the network between a transport and the service, which can be cut.
type line struct {
	mu    sync.Mutex
	conns []net.Conn
}

func (l *line) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.conns = append(l.conns, c)
	}
	return c, err
}

// cut ends all connections without a word.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
	}
	l.conns = nil
}

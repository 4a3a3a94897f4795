package pulsarws_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/cursor"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
	"github.com/eventdelivery/eds-go/transport/transporttest"
)

const (
	testTopic = "acme/events/orders"
	testSub   = "billing"
)

var quiet = slog.New(slog.DiscardHandler)

// TestConsumerConformance runs the suite in a bubble for each type of
// subscription, in push and in pull mode.
func TestConsumerConformance(t *testing.T) {
	for name, opts := range map[string][]pulsarws.ConsumerOption{
		"exclusive":       nil,
		"failover":        {pulsarws.Subscribe(pulsarws.Failover)},
		"shared":          {pulsarws.Subscribe(pulsarws.Shared)},
		"key_shared":      {pulsarws.Subscribe(pulsarws.KeyShared)},
		"pull":            {pulsarws.PullMode()},
		"pull_one_by_one": {pulsarws.Subscribe(pulsarws.Shared), pulsarws.PullMode(), pulsarws.ReceiverQueueSize(1)},
		"window_1":        {pulsarws.ReceiverQueueSize(1)},
		"ack_timeout":     {pulsarws.Subscribe(pulsarws.Shared), pulsarws.AckTimeout(10 * time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			f := transporttest.Features{Bubble: true, Ordered: true, Nack: true, BoundReceipts: true}
			if name == "ack_timeout" {
				f.Redelivery = 10 * time.Second
			}
			transporttest.Run(t, f, func(t testing.TB) transporttest.Service {
				srv := pulsartest.NewTestServer(t)
				far := farEnd(srv)
				far.Dial = func() eds.Transport {
					return pulsarws.NewConsumer(srv.URL(), testTopic, testSub, append([]pulsarws.ConsumerOption{
						pulsarws.FromEarliest(), pulsarws.NackDelay(time.Second),
						pulsarws.DialContext(srv.DialContext), pulsarws.Logger(quiet),
					}, opts...)...)
				}
				return far.Service
			})
		})
	}
}

// TestReaderConformance runs the suite in a bubble for a reader that keeps its
// position over restarts.
func TestReaderConformance(t *testing.T) {
	for name, opts := range map[string][]pulsarws.ReaderOption{
		"earliest": {pulsarws.From(pulsarws.Earliest)},
		"window_1": {pulsarws.From(pulsarws.Earliest), pulsarws.ReceiverQueueSize(1)},
	} {
		t.Run(name, func(t *testing.T) {
			f := transporttest.Features{Bubble: true, Ordered: true, Nack: true}
			transporttest.Run(t, f, func(t testing.TB) transporttest.Service {
				srv := pulsartest.NewTestServer(t)
				far, store := farEnd(srv), cursor.NewMemory()
				far.WaitAcked = nil // the service keeps nothing of a reader
				far.Dial = func() eds.Transport {
					return pulsarws.NewReader(srv.URL(), testTopic, append([]pulsarws.ReaderOption{
						pulsarws.Cursor(store, "r"), pulsarws.RedeliveryDelay(time.Second),
						pulsarws.DialContext(srv.DialContext), pulsarws.Logger(quiet),
					}, opts...)...)
				}
				return far.Service
			})
		})
	}
}

// far is the stand-in as transporttest sees it.
type far struct {
	transporttest.Service

	mu  sync.Mutex
	ids map[string]string // of messages, by the ids of events
}

func farEnd(srv *pulsartest.Server) *far {
	f := &far{ids: map[string]string{}}
	f.Publish = func(_ context.Context, e eds.Event) error {
		id, err := srv.Publish(testTopic, pulsartest.Message{
			Payload: e.Payload,
			Properties: map[string]string{
				"ce_id": e.ID, "ce_type": e.Type, "ce_time": e.Time.Format(time.RFC3339Nano),
			},
		})
		f.mu.Lock()
		defer f.mu.Unlock()
		f.ids[e.ID] = id
		return err
	}
	f.WaitAcked = func(ctx context.Context, id string) error {
		f.mu.Lock()
		message := f.ids[id]
		f.mu.Unlock()
		return srv.WaitAcked(ctx, testTopic, testSub, message)
	}
	f.Disconnect = func() { srv.Break(pulsartest.Drop()) }
	f.PublishUnreadable = func(context.Context) error {
		_, err := srv.PublishRaw(testTopic, fmt.Appendf(nil,
			`{"messageId":%q,"payload":"no base64","properties":{},"publishTime":"2026-03-20T14:30:00Z","redeliveryCount":0}`, pulsartest.Placeholder))
		return err
	}
	return f
}

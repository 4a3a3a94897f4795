package spool

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/transporttest"
)

func TestConformance(t *testing.T) {
	transporttest.Run(t, transporttest.Features{
		Bubble: true, Ordered: true, Nack: true, NewReceipts: true, BoundReceipts: true,
	}, func(t testing.TB) transporttest.Service {
		s := open(t, filepath.Join(t.TempDir(), "q.spool"))
		var now *flow
		return transporttest.Service{
			Publish: func(ctx context.Context, e eds.Event) error { return s.Handle(ctx, &e) },
			Dial: func() eds.Transport {
				now = &flow{s.Transport()}
				return now
			},
			// There is no connection that could be lost; what comes nearest is
			// another transport in the place of the first.
			Disconnect: func() {
				if err := now.Transport.Close(t.Context()); err != nil {
					t.Error(err)
				}
				now.Transport = s.Transport()
			},
			PublishUnreadable: func(ctx context.Context) error { return s.appendRecord(ctx, []byte("garbage")) },
			WaitAcked:         func(ctx context.Context, id string) error { return s.waitGone(ctx, id) },
		}
	})
}

// flow is a transport after the other.
type flow struct {
	*Transport
}

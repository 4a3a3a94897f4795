package edsv2_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/transport/edsv2"
	"github.com/eventdelivery/eds-go/transport/transporttest"
)

var features = transporttest.Features{
	Ordered: true, Redelivery: 30 * time.Second, NewReceipts: true, BoundReceipts: true,
}

// TestConformance runs the suite over a pipe and a fake clock, for each
// reading of what the service does with old receipts and with confirmations.
func TestConformance(t *testing.T) {
	for name, opts := range map[string][]edstest.Option{
		"strict":           nil,
		"lenient":          {edstest.LenientReceipts()},
		"without_replies":  {edstest.NoReplies()},
		"one_at_a_time":    {edstest.Window(1)},
		"refused_by_close": {edstest.RefuseByClose(), edstest.CloseDelay(2 * time.Second)},
		"held_when_stale":  {edstest.StaleHold(time.Minute), edstest.HoldUnacked()},
	} {
		t.Run(name, func(t *testing.T) {
			f := features
			f.Bubble = true
			transporttest.Run(t, f, func(t testing.TB) transporttest.Service {
				srv := edstest.NewTestServer(t, opts...)
				return service(srv, edsv2.DialContext(srv.DialContext))
			})
		})
	}
}

// TestConformanceOnTCP runs the same over real sockets and real time; what
// takes 30 s of it is left to the bubble.
func TestConformanceOnTCP(t *testing.T) {
	f := features
	f.Redelivery = 0
	transporttest.Run(t, f, func(t testing.TB) transporttest.Service {
		srv := edstest.NewTestServer(t, edstest.VisibilityTimeout(time.Hour))
		if err := srv.Start(); err != nil {
			t.Fatal(err)
		}
		return service(srv, edsv2.VisibilityTimeout(time.Hour), edsv2.Backoff(time.Millisecond, 10*time.Millisecond))
	})
}

func service(srv *edstest.Server, opts ...edsv2.Option) transporttest.Service {
	opts = append([]edsv2.Option{edsv2.APIKey(edstest.DefaultKey), edsv2.Logger(slog.New(slog.DiscardHandler))}, opts...)
	return transporttest.Service{
		Publish: func(_ context.Context, e eds.Event) error {
			_, err := srv.Publish(edstest.DefaultQueue, edstest.Event{ID: e.ID, Type: e.Type, Time: e.Time, Payload: e.Payload})
			return err
		},
		Dial:       func() eds.Transport { return edsv2.New(srv.URL(), edstest.DefaultQueue, opts...) },
		WaitAcked:  func(ctx context.Context, id string) error { return srv.WaitAcked(ctx, id) },
		Disconnect: func() { srv.Break(edstest.Drop()) },
		PublishUnreadable: func(context.Context) error {
			_, err := srv.PublishRaw(edstest.DefaultQueue, []byte(`{"frameType":"EVENT","framePayload":{"receiptId":"`+edstest.Receipt+`","eventType":7}}`))
			return err
		},
	}
}

// A process that lives on after its key was refused must not look healthy.
func TestRefusedStaysRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := edstest.NewTestServer(t)
		app := eds.New(edsv2.New(srv.URL(), edstest.DefaultQueue, edsv2.APIKey("another"),
			edsv2.DialContext(srv.DialContext), edsv2.Logger(slog.New(slog.DiscardHandler))))
		app.Handle("*", func(context.Context, *eds.Event) error { return nil })
		var auth *eds.AuthError
		if err := app.Run(t.Context()); !errors.As(err, &auth) {
			t.Fatalf("Run returned %v", err)
		}
		if h := app.Health(); h.Live() || h.Ready() || h.Transport.State != eds.Refused {
			t.Errorf("health %+v", h)
		}
	})
}

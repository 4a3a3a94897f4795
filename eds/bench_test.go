package eds_test

import (
	"context"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// stream is a transport that hands out what was made beforehand, as fast as
// it is asked, and forgets what is settled: what is left is the App's price.
type stream struct {
	deliveries []eds.Delivery
	next       int
	window     chan struct{} // bounds what is not acknowledged; nil for no bound
}

func newStream(n, window int) *stream {
	s := &stream{deliveries: make([]eds.Delivery, n)}
	if window > 0 {
		s.window = make(chan struct{}, window)
	}
	payload := []byte(`{"tenantId":"t-1"}`)
	for i := range s.deliveries {
		id := strconv.Itoa(i)
		s.deliveries[i] = eds.Delivery{
			Event: eds.Event{
				ID: id, Type: "T" + strconv.Itoa(i%16), Source: "wss://eds.example/q", Queue: "q",
				Payload: payload,
			},
			Receipt:  id,
			Received: time.Now(),
		}
	}
	return s
}

func (s *stream) Receive(context.Context) (*eds.Delivery, error) {
	if s.next == len(s.deliveries) {
		return nil, errBoom
	}
	if s.window != nil {
		s.window <- struct{}{}
	}
	d := &s.deliveries[s.next]
	s.next++
	return d, nil
}

func (s *stream) Ack(context.Context, *eds.Delivery) error {
	if s.window != nil {
		<-s.window
	}
	return nil
}

func (*stream) Nack(context.Context, *eds.Delivery) error { return nil }
func (*stream) Close(context.Context) error               { return nil }

// deep needs 8 KiB of stack, as a handler does that decodes JSON, makes an
// HTTP request or logs.
func deep(_ context.Context, e *eds.Event) error {
	var buf [8 << 10]byte
	if touch(&buf, len(e.ID)) == 1 {
		return errBoom
	}
	return nil
}

//go:noinline
func touch(buf *[8 << 10]byte, i int) byte { buf[i] = 2; return buf[i] }

// BenchmarkApp measures the road of an event from the transport through lanes,
// chain and finalizer to the acknowledgement, beside the Delivery itself.
func BenchmarkApp(b *testing.B) {
	nothing := func(context.Context, *eds.Event) error { return nil }
	byType := eds.OrderBy(func(e *eds.Event) string { return e.Type })
	byID := eds.OrderBy(func(e *eds.Event) string { return e.ID })
	for _, row := range []struct {
		name    string
		handler eds.Handler
		window  int
		opts    []eds.Option
	}{
		{"serial", nothing, 0, nil},
		{"serial_deep", deep, 0, nil},
		{"concurrent", nothing, 0, []eds.Option{eds.Concurrency(64)}},
		{"concurrent_deep", deep, 0, []eds.Option{eds.Concurrency(64)}},
		{"concurrent_window_8", nothing, 8, []eds.Option{eds.Concurrency(64)}},
		{"concurrent_window_8_deep", deep, 8, []eds.Option{eds.Concurrency(64)}},
		{"keyed_16", nothing, 0, []eds.Option{eds.Concurrency(64), byType}},
		{"keyed_unique", nothing, 0, []eds.Option{eds.Concurrency(64), byID}},
		{"keyed_unique_deep", deep, 0, []eds.Option{eds.Concurrency(64), byID}},
	} {
		b.Run(row.name, func(b *testing.B) {
			// All of b.N at once: an App runs once.
			app := eds.New(newStream(b.N, row.window), append(row.opts, eds.Logger(slog.New(slog.DiscardHandler)), eds.DrainTimeout(time.Hour))...)
			app.Handle("*", row.handler)
			b.ReportAllocs()
			b.ResetTimer()
			if err := app.Run(b.Context()); err == nil {
				b.Fatal("Run returned nil, want the end of the stream")
			}
			b.StopTimer()
			if got := app.Health().Outcomes.Total(); got != uint64(b.N) {
				b.Fatalf("%d outcomes, want %d", got, b.N)
			}
		})
	}
}

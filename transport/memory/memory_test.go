package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/memory"
	"github.com/eventdelivery/eds-go/transport/transporttest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	transporttest.Run(t, transporttest.Features{
		Bubble: true, Ordered: true, Nack: true, Redelivery: 30 * time.Second, NewReceipts: true,
	}, func(testing.TB) transporttest.Service {
		q := memory.New("q", memory.VisibilityTimeout(30*time.Second))
		return transporttest.Service{
			Publish: func(_ context.Context, e eds.Event) error { return q.Publish(e) },
			Dial:    func() eds.Transport { return q },
		}
	})
}

func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New("q", memory.Window(1))
		for _, id := range []string{"1", "2"} {
			if err := q.Publish(eds.Event{ID: id}); err != nil {
				t.Fatal(err)
			}
		}
		first, err := q.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan *eds.Delivery, 1)
		go func() {
			d, _ := q.Receive(t.Context())
			got <- d
		}()
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(got) != 0 {
			t.Fatal("a second delivery is out while the window is one")
		}
		if err := q.Ack(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		if d := <-got; d.Event.ID != "2" {
			t.Errorf("received %q", d.Event.ID)
		}
	})
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New("q")
		if err := q.Handle(t.Context(), &eds.Event{ID: "1"}); err != nil {
			t.Fatal(err)
		}
		waited := make(chan error, 1)
		go func() { waited <- q.Wait(t.Context()) }()
		d, _ := q.Receive(t.Context())
		synctest.Wait()
		if len(waited) != 0 {
			t.Fatal("Wait returned with a delivery out")
		}
		if _, unacked, _ := q.Counts(); unacked != 1 {
			t.Errorf("unacked %d, want 1", unacked)
		}
		_ = q.Ack(t.Context(), d)
		if err := <-waited; err != nil {
			t.Error(err)
		}
		if ready, unacked, acked := q.Counts(); ready != 0 || unacked != 0 || acked != 1 {
			t.Errorf("counts %d %d %d", ready, unacked, acked)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_ = q.Publish(eds.Event{ID: "2"})
		if err := q.Wait(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("Wait with an ended context: %v", err)
		}
	})
}

func TestBadSettings(t *testing.T) {
	if err := memory.New("q", memory.Window(-1), memory.VisibilityTimeout(-1)).Validate(); err == nil {
		t.Error("accepted")
	}
	q := memory.New("q")
	if err := q.Publish(eds.Event{Type: "X"}); err == nil {
		t.Error("an event without an id was accepted")
	}
	_ = q.Close(t.Context())
	if err := q.Publish(eds.Event{ID: "1"}); !errors.Is(err, memory.ErrClosed) {
		t.Errorf("Publish after Close: %v", err)
	}
}

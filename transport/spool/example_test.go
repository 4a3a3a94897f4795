package spool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/memory"
	"github.com/eventdelivery/eds-go/transport/spool"
)

// The receiver records and acknowledges; the worker takes its time.
func Example() {
	dir, err := os.MkdirTemp("", "spool")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	s, err := spool.Open(filepath.Join(dir, "orders.spool"), spool.Pause(time.Millisecond, time.Minute))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())

	queue := memory.New("orders") // stands for edsv2.New(...)
	receiver := eds.New(queue)
	receiver.Handle("*", s.Handle)

	worker := eds.New(s.Transport(), eds.HandlerTimeout(10*time.Minute))
	worker.Use(s.GiveBack)
	worker.Handle("ORDER_PLACED", func(_ context.Context, e *eds.Event) error {
		if e.Attempt < 3 {
			return errors.New("the warehouse is down")
		}
		fmt.Println(e.ID, "from", e.Attributes[spool.AttrQueue], "handled at attempt", e.Attempt)
		stop()
		return nil
	})

	_ = queue.Publish(eds.Event{ID: "evt-1", Type: "ORDER_PLACED", Payload: []byte(`{}`)})
	received := make(chan error, 1)
	go func() { received <- receiver.Run(ctx) }()
	fmt.Println(worker.Run(ctx), <-received)
	fmt.Println(s.Close(context.Background()))
	// Output:
	// evt-1 from orders handled at attempt 3
	// <nil> <nil>
	// <nil>
}

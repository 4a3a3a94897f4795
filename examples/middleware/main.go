// Command middleware shows a middleware of one's own: it refuses events that
// are too old to matter, and the dead letters keep them.
//
//	go run ./examples/middleware
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/middleware"
	"github.com/eventdelivery/eds-go/transport/memory"
)

// MaxAge refuses events that happened longer than limit ago. Events without a
// time pass. Install it inside of DeadLetter, which then keeps what it refuses.
func MaxAge(limit time.Duration) eds.Middleware {
	return func(next eds.Handler) eds.Handler {
		return func(ctx context.Context, e *eds.Event) error {
			if age := time.Since(e.Time); !e.Time.IsZero() && age > limit {
				return eds.Permanent(fmt.Errorf("event is %s old, the limit is %s", age.Round(time.Minute), limit))
			}
			return next(ctx, e)
		}
	}
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "middleware:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	queue := memory.New("orders")
	app := eds.New(queue)
	app.Use(
		middleware.DeadLetter(func(_ context.Context, e *eds.Event) error {
			fmt.Fprintf(out, "dead letter %s: %s\n", e.ID, e.Attributes[middleware.KeyError])
			return nil
		}),
		MaxAge(time.Hour),
		middleware.Recover(),
	)
	app.Handle("*", func(_ context.Context, e *eds.Event) error {
		fmt.Fprintf(out, "handled %s\n", e.ID)
		return nil
	})

	for id, age := range map[string]time.Duration{"fresh": time.Minute, "stale": 3 * time.Hour} {
		if err := queue.Publish(eds.Event{ID: id, Type: "ORDER_PLACED", Time: time.Now().Add(-age)}); err != nil {
			return err
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer stop()
		_ = queue.Wait(ctx) // until both are acknowledged
	}()
	return app.Run(ctx)
}

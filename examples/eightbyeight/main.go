// Command eightbyeight follows the calls of an 8x8 contact centre: a stand-in
// for 8x8's service publishes the events of three callers and an agent over a
// real WebSocket; an App takes them, keeps those of one call in order while it
// handles several calls at once, and prints what became of each. It needs no
// network but loopback, no key and no other program.
//
//	go run ./examples/eightbyeight
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"

	"github.com/eventdelivery/eds-go/dedupe/lru"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers"
	"github.com/eventdelivery/eds-go/handlers/eightbyeight"
	"github.com/eventdelivery/eds-go/middleware"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
	"github.com/eventdelivery/eds-go/transport/streaming8x8"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "eightbyeight:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out, logs io.Writer) error {
	service, err := startService()
	if err != nil {
		return err
	}
	defer service.Close()
	store, err := lru.New()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(logs, nil))
	board := newBoard()

	// With 8x8 itself, the host is streaming8x8.HostUK3 or that of another
	// region, and the key is one of Admin Console.
	consumer := streaming8x8.NewConsumer(service.URL(), tenant, streaming8x8.AllEvents, subscription,
		streaming8x8.APIKey(apiKey), pulsarws.Logger(log))

	app := eds.New(consumer, eds.Logger(log), eds.Concurrency(4), eds.OrderBy(streaming8x8.OrderKey))
	app.Use(
		middleware.Dedupe(store),
		middleware.DeadLetter(board.deadLetter),
		middleware.Recover(),
	)
	app.Handle(eightbyeight.TypeInteractionCreated, handlers.Typed(board.created))
	app.Handle(eightbyeight.TypeInteractionAccepted, handlers.Typed(board.accepted))
	app.Handle(eightbyeight.TypeInteractionDeleted, handlers.Typed(board.deleted))
	app.Handle(eightbyeight.TypeAgentStatusChange, handlers.Typed(board.status))
	// Whatever else happens to a call, types that 8x8 adds tomorrow included.
	app.Handle("Interaction*", handlers.TypedEvent(board.other))

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if err := service.publish(); err != nil {
		return err
	}
	go func() { stop(service.done(ctx)) }() // ends Run once all is acknowledged
	if err := app.Run(ctx); err != nil {
		return err
	}
	if cause := context.Cause(ctx); !errors.Is(cause, errAllDone) {
		return cause
	}
	board.print(out)
	return nil
}

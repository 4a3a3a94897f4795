// Command quickstart is the whole framework on one screen: a local EDS V2
// service pushes events over a real WebSocket, some of them twice, some of
// unknown types, one that panics its handler and one that nobody can read; an
// App takes them. It needs no network but loopback, no key and no other
// program, and prints in the end what became of every event.
//
//	go run ./examples/quickstart
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/eventdelivery/eds-go/dedupe/lru"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers"
	"github.com/eventdelivery/eds-go/handlers/empego"
	"github.com/eventdelivery/eds-go/handlers/jsonl"
	"github.com/eventdelivery/eds-go/middleware"
	"github.com/eventdelivery/eds-go/transport/edsv2"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "eds-quickstart-")
	if err == nil {
		err = run(ctx, os.Stdout, os.Stderr, filepath.Join(dir, "deadletters.jsonl"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out, logs io.Writer, deadLetters string) error {
	service, err := startService()
	if err != nil {
		return err
	}
	defer service.Close()

	store, err := lru.New()
	if err != nil {
		return err
	}
	dead, err := jsonl.Open(deadLetters)
	if err != nil {
		return err
	}
	defer dead.Close()
	log := slog.New(slog.NewTextHandler(logs, nil))
	desk := &desk{runs: make(map[string]int)}

	app := eds.New(edsv2.New(service.URL(), queue, edsv2.APIKey(apiKey), edsv2.Logger(log)), eds.Logger(log))
	app.Use(
		middleware.Logging(log),
		middleware.Dedupe(store),
		middleware.DeadLetter(dead.Handle),
		middleware.Retry(middleware.Backoff(10*time.Millisecond, time.Second)),
		middleware.Timeout(5*time.Second),
		middleware.Recover(),
	)
	app.Handle(empego.TypeTenantOnboarded, handlers.Typed(desk.onboard))
	app.Handle("INVOICE_*", handlers.TypedEvent(desk.invoice))

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	published, err := service.push()
	if err != nil {
		return err
	}
	go func() { stop(service.done(ctx)) }() // ends Run once all is acknowledged
	if err := app.Run(ctx); err != nil {
		return err
	}
	if cause := context.Cause(ctx); !errors.Is(cause, errAllDone) {
		return cause
	}
	return report(out, service, desk, app.Health().Outcomes, published, deadLetters)
}

package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/dedupe/redisstore"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/middleware"
	"github.com/eventdelivery/eds-go/transport/edsv2"
)

// What a worker is told by its parent.
const (
	workerVariable  = "EXAMPLE_WORKER"
	serviceVariable = "EXAMPLE_SERVICE"
	redisVariable   = "EXAMPLE_REDIS"
)

// work handles events until the process ends. This is all of a worker; as many
// hosts as you like can run it.
func work(ctx context.Context, name, service, redisURL string, out io.Writer) error {
	opts, err := redis.ParseURL(redisURL)
	if err != nil {
		return err
	}
	client := redis.NewClient(opts)
	defer client.Close()
	store, err := redisstore.New(client)
	if err != nil {
		return err
	}
	app := eds.New(edsv2.New(service, edstest.DefaultQueue, edsv2.APIKey(edstest.DefaultKey)))
	app.Use(
		// A dead worker's claim ends after the lease; short, so that nobody has
		// to wait for the end of this example.
		middleware.Dedupe(store, middleware.DedupeLease(time.Second)),
		middleware.Recover(),
	)
	app.Handle("*", func(_ context.Context, e *eds.Event) error {
		_, err := fmt.Fprintln(out, e.ID)
		return err
	})
	return app.Run(ctx)
}

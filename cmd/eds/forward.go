package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/alecthomas/kong"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers/webhook"
	"github.com/eventdelivery/eds-go/middleware"
)

// endpointFlags name an HTTP endpoint and how it is asked.
type endpointFlags struct {
	To         string        `required:"" placeholder:"URL" env:"EDS_TO" help:"HTTP endpoint that takes the events (${env})."`
	Secret     []string      `placeholder:"whsec_..." env:"EDS_WEBHOOK_SECRET" help:"Sign by Standard Webhooks. Twice while secrets change. Prefer ${env}: other users of this machine can see flags."`
	Structured bool          `env:"EDS_STRUCTURED" help:"Send the whole CloudEvent as the body, instead of the payload with headers (${env})."`
	Timeout    time.Duration `default:"10s" env:"EDS_TIMEOUT" help:"Time for one request (${env})."`
}

// Validate is called once the flags are parsed.
func (f *endpointFlags) Validate() error {
	if f.To == "" {
		return errors.New("--to: is missing; EDS_TO can hold it too")
	}
	if f.Timeout <= 0 {
		return fmt.Errorf("--timeout %q: must be above zero", f.Timeout)
	}
	sink, err := f.sink()
	if err != nil {
		return err
	}
	return sink.Close()
}

func (f *endpointFlags) sink() (*webhook.Sink, error) {
	opts := []webhook.Option{webhook.Timeout(f.Timeout)}
	if len(f.Secret) > 0 {
		opts = append(opts, webhook.Secret(f.Secret...))
	}
	if f.Structured {
		opts = append(opts, webhook.Structured())
	}
	sink, err := webhook.New(f.To, opts...)
	if err != nil {
		flags := map[string]string{"webhook URL": "--to"}
		for i := range f.Secret {
			flags[fmt.Sprintf("webhook.Secret %d of %d", i+1, len(f.Secret))] = "--secret"
		}
		return nil, usageError{inFlags(err, flags)}
	}
	return sink, nil
}

type forwardCommand struct {
	pipelineFlags
	endpointFlags

	Attempts int `default:"3" env:"EDS_ATTEMPTS" help:"Requests for one event before it counts as failed (${env})."`
}

func (c *forwardCommand) Help() string {
	return `Each event is posted as a CloudEvent and acknowledged when the endpoint answers 2xx. 408, 425, 429 and 5xx are tried again, after what Retry-After says; other answers are final. What failed goes to --dead-letter FILE; without one it stays with the service and comes again, which holds up what is behind it.

` + whereFrom + `

Example:

  EDS_API_KEY=... eds forward --url wss://eds.example --queue orders --to https://crm.example/events --dead-letter dead.jsonl
  EDS_API_KEY=... eds forward --region US2 --tenant acme --topic InteractionCreated --subscription crm --to https://crm.example/events --dead-letter dead.jsonl`
}

// Validate is called once the flags are parsed.
func (c *forwardCommand) Validate(parsed *kong.Context) error {
	if err := c.pipelineFlags.Validate(parsed); err != nil {
		return err
	}
	if c.Attempts < 1 {
		return fmt.Errorf("--attempts %d: must be at least 1", c.Attempts)
	}
	return c.endpointFlags.Validate()
}

// Run forwards events until the user has enough.
func (c *forwardCommand) Run(ctx context.Context, io stdio, logs *logFlags) error {
	screen := newScreen(io.err)
	log := logs.logger(screen)
	sink, err := c.endpointFlags.sink()
	if err != nil {
		return err
	}
	defer sink.Close()
	tel, err := startTelemetry(ctx, log, screen)
	if err != nil {
		return err
	}
	defer tel.stop()

	app, release, err := (&pipeline{
		flags: &c.pipelineFlags, log: log, handler: sink.Handle, telemetry: tel,
		inner:      []eds.Middleware{middleware.Retry(middleware.Attempts(c.Attempts), middleware.OnRetry(middleware.CountRetries()))},
		keepFailed: true,
	}).build()
	if err != nil {
		return err
	}
	defer release()
	tel.watch(app, c.source())
	defer announce(ctx, log, c.DrainTimeout)()
	defer c.watchSilence(log, app.Health)()
	defer screen.show(app)()
	return c.refused(app.Run(ctx))
}

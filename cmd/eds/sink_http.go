package main

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/eventdelivery/eds-go/handlers/webhook"
)

// requestFlags say how an HTTP endpoint is asked.
type requestFlags struct {
	Secret     []string `placeholder:"whsec_..." env:"EDS_WEBHOOK_SECRET" help:"Sign by Standard Webhooks. Twice while secrets change. Prefer ${env}: other users of this machine can see flags."`
	Structured bool     `env:"EDS_STRUCTURED" help:"Send the whole CloudEvent as the body, instead of the payload with headers (${env})."`
}

// sink returns what posts to the URL that a flag has.
func (f *requestFlags) sink(flag, url string, timeout time.Duration) (*webhook.Sink, error) {
	opts := []webhook.Option{webhook.Timeout(timeout)}
	if len(f.Secret) > 0 {
		opts = append(opts, webhook.Secret(f.Secret...))
	}
	if f.Structured {
		opts = append(opts, webhook.Structured())
	}
	sink, err := webhook.New(url, opts...)
	if err != nil {
		flags := map[string]string{"webhook URL": flag}
		for i := range f.Secret {
			flags[fmt.Sprintf("webhook.Secret %d of %d", i+1, len(f.Secret))] = "--secret"
		}
		return nil, usageError{inFlags(err, flags)}
	}
	return sink, nil
}

// endpointFlags name an HTTP endpoint and how it is asked.
type endpointFlags struct {
	To string `required:"" placeholder:"URL" env:"EDS_TO" help:"HTTP endpoint that takes the events (${env})."`
	requestFlags
	Timeout time.Duration `default:"10s" env:"EDS_TIMEOUT" help:"Time for one request (${env})."`
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
	return f.requestFlags.sink("--to", f.To, f.Timeout)
}

// target is what may be shown of an endpoint: its path may be secret.
func target(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/eventdelivery/eds-go/transport/edsv2"
)

// sourceFlags name the queue and how its connection is kept.
type sourceFlags struct {
	URL      string `required:"" placeholder:"URL" env:"EDS_URL" help:"WebSocket address of the service, with its path (${env})."`
	Queue    string `required:"" placeholder:"NAME" env:"EDS_QUEUE" help:"Queue to receive from (${env})."`
	APIKey   string `name:"api-key" placeholder:"KEY" env:"EDS_API_KEY" help:"Integration API key. Prefer ${env}: other users of this machine can see flags."`
	Insecure bool   `env:"EDS_INSECURE" help:"Allow ws:// to another machine, which sends the key in the clear (${env})."`

	PingInterval time.Duration  `default:"150s" env:"EDS_PING_INTERVAL" help:"Time between keep-alive pings (${env})."`
	PongTimeout  time.Duration  `default:"10s" env:"EDS_PONG_TIMEOUT" help:"Silence after a ping that ends the connection (${env})."`
	ReconnectMin *time.Duration `placeholder:"500ms" env:"EDS_RECONNECT_MIN" help:"Longest pause before the first reconnect; it doubles from there (${env})."`
	ReconnectMax *time.Duration `placeholder:"30s" env:"EDS_RECONNECT_MAX" help:"Longest pause before any reconnect (${env})."`
}

// Validate is called once the flags are parsed.
func (f *sourceFlags) Validate() error {
	switch {
	case f.URL == "":
		return errors.New("--url: is missing; EDS_URL can hold it too")
	case f.ReconnectMax != nil && *f.ReconnectMax <= 0:
		return fmt.Errorf("--reconnect-max %q: must be above zero", *f.ReconnectMax)
	}
	err := inFlags(f.transport(slog.New(slog.DiscardHandler)).Validate(), map[string]string{
		"url": "--url", "queue": "--queue", "APIKey": "--api-key",
		"PingInterval": "--ping-interval", "PongTimeout": "--pong-timeout",
		"Backoff min": "--reconnect-min", "Backoff max": "--reconnect-max",
	})
	if err != nil && strings.HasPrefix(f.URL, "ws://") && !f.Insecure && strings.Contains(err.Error(), "must be wss://") {
		err = fmt.Errorf("%w; --insecure allows it all the same", err)
	}
	return err
}

// backoff returns the bounds of the pauses. One that was not given makes room
// for the other.
func (f *sourceFlags) backoff() (least, most time.Duration) {
	least, most = 500*time.Millisecond, 30*time.Second
	if f.ReconnectMin != nil {
		least = *f.ReconnectMin
		most = max(most, least)
	}
	if f.ReconnectMax != nil {
		most = *f.ReconnectMax
		if f.ReconnectMin == nil {
			least = min(least, most)
		}
	}
	return least, most
}

func (f *sourceFlags) transport(log *slog.Logger) *edsv2.Transport {
	opts := []edsv2.Option{
		edsv2.PingInterval(f.PingInterval), edsv2.PongTimeout(f.PongTimeout),
		edsv2.Backoff(f.backoff()), edsv2.Logger(log),
	}
	if f.APIKey != "" {
		opts = append(opts, edsv2.APIKey(f.APIKey))
	}
	if f.Insecure {
		opts = append(opts, edsv2.Insecure())
	}
	return edsv2.New(f.URL, f.Queue, opts...)
}

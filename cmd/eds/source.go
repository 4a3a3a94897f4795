package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/eventdelivery/eds-go/transport/edsv2"
)

// sourceFlags name the queue and how its connection is kept.
type sourceFlags struct {
	URL      string `required:"" placeholder:"URL" env:"EDS_URL" help:"WebSocket address of the service, with its path (${env})."`
	Queue    string `required:"" placeholder:"NAME" env:"EDS_QUEUE" help:"Queue to receive from (${env})."`
	APIKey   string `name:"api-key" placeholder:"KEY" env:"EDS_API_KEY" help:"Integration API key. Prefer ${env}: other users of this machine can see flags."`
	Insecure bool   `env:"EDS_INSECURE" help:"Allow ws:// to another machine, which sends the key in the clear (${env})."`

	PingInterval time.Duration `default:"150s" env:"EDS_PING_INTERVAL" help:"Time between keep-alive pings (${env})."`
	PongTimeout  time.Duration `default:"10s" env:"EDS_PONG_TIMEOUT" help:"Silence after a ping that ends the connection (${env})."`
	ReconnectMin time.Duration `default:"500ms" env:"EDS_RECONNECT_MIN" help:"Longest pause before the first reconnect; it doubles from there (${env})."`
	ReconnectMax time.Duration `default:"30s" env:"EDS_RECONNECT_MAX" help:"Longest pause before any reconnect (${env})."`
}

// Validate is called once the flags are parsed.
func (f *sourceFlags) Validate() error {
	u, err := url.Parse(f.URL)
	switch {
	case err != nil:
		// The parser's error quotes its input, and with it a password.
		return fmt.Errorf("--url: is not a URL")
	case u.Scheme != "ws" && u.Scheme != "wss":
		return fmt.Errorf("--url %q: must begin with wss:// (or ws://)", u.Redacted())
	case u.Hostname() == "":
		return fmt.Errorf("--url %q: names no host", u.Redacted())
	case u.User != nil:
		return fmt.Errorf("--url %q: must not hold credentials; use --api-key", u.Redacted())
	case u.Scheme == "ws" && !f.Insecure && !isLoopback(u.Hostname()):
		return fmt.Errorf("--url %q: ws:// would send the key in the clear; use wss://, or --insecure to do so all the same", u.Redacted())
	case f.Queue == "":
		return fmt.Errorf("--queue %q: must not be empty", f.Queue)
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{
		{"--ping-interval", f.PingInterval}, {"--pong-timeout", f.PongTimeout},
		{"--reconnect-min", f.ReconnectMin}, {"--reconnect-max", f.ReconnectMax},
	} {
		if d.value <= 0 {
			return fmt.Errorf("%s %q: must be more than zero", d.flag, d.value)
		}
	}
	if f.ReconnectMin > f.ReconnectMax {
		return fmt.Errorf("--reconnect-min %q: must not be more than --reconnect-max %q", f.ReconnectMin, f.ReconnectMax)
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (f *sourceFlags) transport(log *slog.Logger) *edsv2.Transport {
	opts := []edsv2.Option{
		edsv2.PingInterval(f.PingInterval), edsv2.PongTimeout(f.PongTimeout),
		edsv2.Backoff(f.ReconnectMin, f.ReconnectMax), edsv2.Logger(log),
	}
	if f.APIKey != "" {
		opts = append(opts, edsv2.APIKey(f.APIKey))
	}
	if f.Insecure {
		opts = append(opts, edsv2.Insecure())
	}
	return edsv2.New(f.URL, f.Queue, opts...)
}

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/wslink"
	"github.com/eventdelivery/eds-go/transport/edsv2"
	"github.com/eventdelivery/eds-go/transport/lease"
)

// whereFrom is how the flags choose the source.
const whereFrom = `The events come from a queue of EDS with --queue NAME, and from a topic of Pulsar's WebSocket service with --topic NAME, in --tenant and --namespace or as TENANT/NAMESPACE/NAME. A topic is one of 8x8 Event Streaming when the host is (--region, --cluster, or a --url of pulsar-ws-*.8x8.com) or --service says so: all, the type of an event, or with --namespace agent-v1 the id of an agent.`

// sourceFlags name where events come from and how the connection is kept.
type sourceFlags struct {
	URL      string `placeholder:"URL" env:"EDS_URL" help:"WebSocket address of the service, with its path (${env})."`
	APIKey   string `name:"api-key" placeholder:"KEY" env:"EDS_API_KEY" help:"API key, or Pulsar token. Prefer ${env}: other users of this machine can see flags."`
	Insecure bool   `env:"EDS_INSECURE" help:"Allow ws:// to another machine, which sends the key in the clear (${env})."`

	PingInterval *time.Duration `placeholder:"150s" env:"EDS_PING_INTERVAL" help:"Time between keep-alive pings; 30s for Pulsar, 25s for 8x8 (${env})."`
	PongTimeout  time.Duration  `default:"10s" env:"EDS_PONG_TIMEOUT" help:"Silence after a ping that ends the connection (${env})."`
	ReconnectMin *time.Duration `placeholder:"500ms" env:"EDS_RECONNECT_MIN" help:"Longest pause before the first reconnect; it doubles from there; 1s for Pulsar (${env})."`
	ReconnectMax *time.Duration `placeholder:"30s" env:"EDS_RECONNECT_MAX" help:"Longest pause before any reconnect; 60s for Pulsar (${env})."`

	standbyFlags

	Queue       []string `group:"eds" placeholder:"NAME" sep:"none" env:"EDS_QUEUE" help:"Queue to receive from${queues} (${env})."`
	pulsarFlags `group:"pulsar"`
	regionFlags `group:"8x8"`
}

// transport is what both kinds of sources are.
type transport interface {
	eds.Transport
	eds.Validator
}

// decide finds out which of the sources is meant, and what is wrong with it.
// most is how many queues the command can take.
func (f *sourceFlags) decide(flags given, most int) error {
	queues := strings.Join(f.Queue, ", ")
	err := flags.one(alternative{"queue", &queues, queues}, alternative{"topic", &f.Topic, f.Topic})
	if queues == "" {
		f.Queue = nil
	}
	switch {
	case err != nil:
		return err
	case f.Queue == nil && f.Topic == "":
		return errors.New("--queue or --topic is missing: --queue NAME is a queue of EDS, --topic NAME a topic of Pulsar or 8x8; EDS_QUEUE or EDS_TOPIC can hold it too")
	case f.ReconnectMax != nil && *f.ReconnectMax <= 0:
		return fmt.Errorf("--reconnect-max %q: must be above zero", *f.ReconnectMax)
	}
	if err := f.standbyFlags.check(); err != nil {
		return err
	}
	if f.Topic != "" {
		return f.decideTopic(flags)
	}
	for _, group := range []string{"pulsar", "8x8"} {
		if typed, ok := flags.of(group); ok {
			return fmt.Errorf("%s: is for a --topic, and --queue %q is a queue of EDS", typed, queues)
		}
	}
	for i, queue := range f.Queue {
		switch {
		case slices.Contains(f.Queue[:i], queue):
			return fmt.Errorf("--queue %q: is given twice, and a queue has one connection", queue)
		case i >= most:
			return fmt.Errorf("--queue %q: this command takes one queue, and has %q; relay takes several", queue, f.Queue[0])
		}
	}
	if f.URL == "" {
		return errors.New("--url: is missing; EDS_URL can hold it too")
	}
	for _, queue := range f.Queue {
		err = f.wrong(f.edsv2(slog.New(slog.DiscardHandler), queue, nil).Validate(), map[string]string{
			"url": "--url", "queue": "--queue", "APIKey": "--api-key",
			"PingInterval": "--ping-interval", "PongTimeout": "--pong-timeout",
			"Backoff min": "--reconnect-min", "Backoff max": "--reconnect-max",
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// wrong is inFlags, with what a person on a network of his own wants to know.
func (f *sourceFlags) wrong(err error, flags map[string]string) error {
	err = inFlags(err, flags)
	if err != nil && strings.HasPrefix(f.URL, "ws://") && !f.Insecure && strings.Contains(err.Error(), "must be wss://") {
		err = fmt.Errorf("%w; --insecure allows it all the same", err)
	}
	return err
}

// address is what of the URL may be shown.
func (f *sourceFlags) address() string { return wslink.Harmless(f.URL) }

// sources are the names of the queues or of the topic.
func (f *sourceFlags) sources() []string {
	if f.Topic != "" {
		return []string{f.name.String()}
	}
	return f.Queue
}

// open returns the transport of one of the sources and what releases its
// resources.
func (f *sourceFlags) open(log *slog.Logger, source string) (t transport, release func(), err error) {
	held, closeLease, err := f.standbyFlags.open(log, f.lessee(source))
	if err != nil {
		return nil, nil, err
	}
	if f.Topic == "" {
		return f.edsv2(log, source, held), closeLease, nil
	}
	t, closePlace, err := f.openTopic(log, held)
	if err != nil {
		closeLease()
		return nil, nil, err
	}
	return t, func() { closePlace(); closeLease() }, nil
}

// lessee is the name of what a lease is about: the same for all who compete.
func (f *sourceFlags) lessee(source string) string {
	at := f.Region + f.Cluster
	if u, err := url.Parse(f.URL); err == nil && f.URL != "" {
		at = u.Host
	}
	if f.Subscription != "" {
		source += "/" + f.Subscription
	}
	return at + "/" + source
}

// backoff returns the bounds of the pauses of EDS.
func (f *sourceFlags) backoff() (least, most time.Duration) {
	return f.pauses(500*time.Millisecond, 30*time.Second)
}

// pauses returns the bounds of the pauses, with these defaults. One that was
// not given makes room for the other.
func (f *sourceFlags) pauses(least, most time.Duration) (time.Duration, time.Duration) {
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

func (f *sourceFlags) edsv2(log *slog.Logger, queue string, held lease.Lease) *edsv2.Transport {
	opts := []edsv2.Option{edsv2.PongTimeout(f.PongTimeout), edsv2.Backoff(f.backoff()), edsv2.Logger(log)}
	if f.PingInterval != nil {
		opts = append(opts, edsv2.PingInterval(*f.PingInterval))
	}
	if f.APIKey != "" {
		opts = append(opts, edsv2.APIKey(f.APIKey))
	}
	if f.Insecure {
		opts = append(opts, edsv2.Insecure())
	}
	if f.Standby {
		opts = append(opts, edsv2.Standby())
	}
	if held != nil {
		opts = append(opts, edsv2.Lease(held))
	}
	return edsv2.New(f.URL, queue, opts...)
}

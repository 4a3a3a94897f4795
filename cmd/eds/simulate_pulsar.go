package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

type simulatePulsarCommand struct {
	Addr        string        `default:"127.0.0.1:8080" placeholder:"HOST:PORT" env:"EDS_ADDR" help:"Address to listen on; port 0 takes a free one (${env})."`
	Service     string        `default:"8x8" placeholder:"8x8|pulsar" env:"EDS_SERVICE" help:"Whose keys and events to play: 8x8 or pulsar (${env})."`
	Topic       []string      `sep:"none" placeholder:"T/N/NAME" env:"EDS_TOPIC" help:"Topic to publish to, as TENANT/NAMESPACE/NAME; acme/event-v1/all for 8x8, else acme/shop/orders. May be repeated (${env})."`
	APIKey      string        `name:"api-key" placeholder:"KEY" env:"EDS_API_KEY" help:"Key, or Pulsar token, that clients must send; without one Pulsar asks nobody (${env})."`
	Events      int           `placeholder:"N" help:"Publish N sample events to each topic; without --rate at the start."`
	Rate        float64       `placeholder:"N" help:"Publish N events per second to each topic; samples without end unless --events or --file says how many."`
	File        string        `placeholder:"FILE" help:"Publish the lines of this file, or of stdin (-), each a payload in JSON or a CloudEvent of eds listen."`
	DropEvery   time.Duration `placeholder:"30s" help:"Drop all connections each time that this has passed."`
	IdleTimeout time.Duration `default:"5m" help:"Silence after which a connection is closed."`
}

func (simulatePulsarCommand) Help() string {
	return `A faithful WebSocket service of Apache Pulsar on this machine, with Reader, Consumer and Producer at /ws/v2 and /ws/v3: the window that stops without acknowledgements, redelivery after a nack and after a lost connection, all subscription types, dead letters. A topic is made when it is first named, and new subscriptions begin behind its last event, so start a listener with --from earliest to see what came before. It says at the end what was published and what became of it. Nothing survives its end.

Example, in two terminals:

  EDS_API_KEY=secret eds simulate pulsar --rate 2
  EDS_API_KEY=secret eds listen --service 8x8 --url ws://127.0.0.1:8080 --tenant acme --topic all --from earliest --cursor place.cursor

End the listener and start it again: it goes on where it was. With --subscription demo --subscription-type Shared, in place of --cursor, several listeners share the events.`
}

// Validate is called once the flags are parsed.
func (c *simulatePulsarCommand) Validate() error {
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return fmt.Errorf("--addr %q: must be HOST:PORT", c.Addr)
	}
	switch {
	case c.Service != service8x8 && c.Service != servicePulsar:
		return fmt.Errorf("--service %q: must be 8x8 or pulsar", c.Service)
	case c.Service == service8x8 && c.APIKey == "":
		return errors.New("--api-key: is missing, and 8x8 asks for one; EDS_API_KEY can hold it too")
	case c.Events < 0:
		return fmt.Errorf("--events %d: must not be negative", c.Events)
	case c.Rate < 0:
		return fmt.Errorf("--rate %v: must not be negative", c.Rate)
	case c.Events > 0 && c.File != "":
		return fmt.Errorf("--events %d: cannot be together with --file %q", c.Events, c.File)
	case c.DropEvery < 0:
		return fmt.Errorf("--drop-every %q: must not be negative", c.DropEvery)
	case c.IdleTimeout <= 0:
		return fmt.Errorf("--idle-timeout %q: must be more than zero", c.IdleTimeout)
	}
	_, err := c.names()
	return err
}

// names are the topics, each once.
func (c *simulatePulsarCommand) names() ([]topicName, error) {
	topics := c.Topic
	if len(topics) == 0 && c.Service == service8x8 {
		topics = []string{"acme/event-v1/all"}
	} else if len(topics) == 0 {
		topics = []string{"acme/shop/orders"}
	}
	var all []topicName
	for _, topic := range topics {
		name, err := parseTopic(topic)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all, nil
}

// Run serves until ctx ends.
func (c *simulatePulsarCommand) Run(ctx context.Context, io stdio) error {
	var done tally
	opts := []pulsartest.Option{
		pulsartest.IdleTimeout(c.IdleTimeout), pulsartest.OnRecord(done.count),
		pulsartest.Retain(remembered), pulsartest.RetainMessages(remembered),
	}
	switch {
	case c.Service == service8x8:
		opts = append(opts, pulsartest.APIKey(c.APIKey))
	case c.APIKey != "":
		opts = append(opts, pulsartest.Token(c.APIKey))
	}
	srv := pulsartest.NewServer(opts...)
	defer srv.Close()
	names, _ := c.names() // Validate has seen them
	var topics []*pulsartest.Topic
	for _, name := range names {
		topic, err := srv.Topic(name.full())
		if err != nil {
			return usageError{fmt.Errorf("--topic %q: is no name of a topic", name)}
		}
		topics = append(topics, topic)
	}
	events, closeEvents, err := c.events(io)
	if err != nil {
		return err
	}
	defer closeEvents()
	p := &publisher{srv: srv, topics: names, events: events, errs: io.err, pace: rate.NewLimiter(rate.Inf, 1)}
	if c.Rate > 0 {
		p.pace.SetLimit(rate.Limit(c.Rate))
	}

	ctx, end := context.WithCancel(ctx)
	defer end()
	var work sync.WaitGroup
	defer work.Wait()
	defer end()
	if c.Rate == 0 && c.File != stdin {
		p.run(ctx) // so that whoever connects finds all of it
	}
	if err := srv.Listen(c.Addr); err != nil {
		return fmt.Errorf("--addr %q: %w", c.Addr, err)
	}
	c.explain(io.err, reachable(srv.URL()), names[0])
	switch {
	case c.File == stdin:
		go p.run(ctx) // not waited for: what reads a terminal cannot be interrupted
	case c.Rate > 0:
		work.Go(func() { p.run(ctx) })
	}
	if c.DropEvery > 0 {
		work.Go(func() { disturb(ctx, srv, c.DropEvery) })
	}
	<-ctx.Done()
	work.Wait()
	unacked := left(topics)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = srv.Shutdown(closing) // what did not end by itself is dropped
	done.print(io.err)
	for _, line := range unacked {
		fmt.Fprintln(io.err, line)
	}
	return nil
}

// explain says where the service is and how to receive from it.
func (c *simulatePulsarCommand) explain(w io.Writer, url string, topic topicName) {
	fmt.Fprintln(w, "listening on", url)
	key, service, name := "", "", topic.String()
	if c.APIKey != "" {
		key = "EDS_API_KEY=KEY "
	}
	if c.Service == service8x8 {
		service = "--service 8x8 "
	}
	if topic.domain != "persistent" {
		name = topic.full()
	}
	fmt.Fprintf(w, "To receive from it, as a Reader or as one of several Consumers:\n\n")
	for _, place := range []string{"--cursor place.cursor", "--subscription demo --subscription-type Shared"} {
		fmt.Fprintf(w, "  %seds listen %s--url %s --topic %s --from earliest %s\n", key, service, url, name, place)
	}
	if key != "" {
		fmt.Fprintf(w, "\nKEY is the one that was given to this command.")
	}
	fmt.Fprintln(w)
}

// disturb drops all connections every so often.
func disturb(ctx context.Context, srv *pulsartest.Server, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			srv.Break(pulsartest.Drop())
		case <-ctx.Done():
			return
		}
	}
}

// ofReader are the names of what Readers have in the place of a subscription.
var ofReader = regexp.MustCompile(`^reader-[0-9a-f]{10}$`)

// left says which subscriptions have events that are not acknowledged.
func left(topics []*pulsartest.Topic) (lines []string) {
	for _, t := range topics {
		for _, subscription := range t.Subscriptions() {
			if ofReader.MatchString(subscription) {
				continue
			}
			if n := t.Backlog(subscription); n > 0 {
				lines = append(lines, fmt.Sprintf("%s: %d not acknowledged by %s", t.Name(), n, subscription))
			}
		}
	}
	return lines
}

package main

import (
	"context"
	"fmt"
	"math"

	"github.com/alecthomas/kong"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

type relayCommand struct {
	receiveFlags

	To         streamURL    `required:"" placeholder:"URL" env:"EDS_TO" help:"Stream that takes the events: redis://HOST:PORT/STREAM, rediss:// with TLS, ?db=N for another database than 0 (${env})."`
	Partitions int          `default:"1" env:"EDS_PARTITIONS" help:"Streams over which the events are spread; the workers need the same number (${env})."`
	OrderBy    orderSetting `default:"key" placeholder:"key" env:"EDS_ORDER_BY" help:"What events have in common that stay in order: key, type, source, queue, or data.NAME of the payload (${env})."`
	Replicas   int          `default:"0" env:"EDS_REPLICAS" help:"Replicas of Redis that must have an event too before it is acknowledged (${env})."`
}

func (c *relayCommand) Help() string {
	return `Each event is appended to the stream and then acknowledged. The work is done by eds work, in any number of processes on any machines. What Redis does not take stays with the service and comes again; what cannot be read as an event goes to --dead-letter.

Several relays with --standby, or --lease, may name one queue: one has it, the others take over when it ends. With --order-by, events that have something in common stay in order; with --partitions they do so among several workers, too. The relay ends when one of its queues is refused for good.

` + whereFrom + `

Example:

  EDS_API_KEY=... eds relay --url wss://eds.example --queue orders --queue refunds --to redis://redis.example/orders-work --standby
  EDS_API_KEY=... eds relay --url wss://eds.example --queue orders --to redis://redis.example/orders-work --partitions 12 --order-by data.customer`
}

// Validate is called once the flags are parsed.
func (c *relayCommand) Validate(parsed *kong.Context) error {
	if c.To == "" {
		return fmt.Errorf("--to: is missing; EDS_TO can hold it too")
	}
	if err := c.To.check("--to"); err != nil {
		return err
	}
	if err := c.receiveFlags.check(parsed, math.MaxInt, c.To); err != nil {
		return err
	}
	if err := checkPartitions(c.Partitions); err != nil {
		return err
	}
	if c.Replicas < 0 {
		return fmt.Errorf("--replicas %d: must not be negative", c.Replicas)
	}
	return c.OrderBy.check()
}

// checkPartitions keeps to what redisstream.Partitions takes.
func checkPartitions(n int) error {
	if n < 1 || n > 1024 {
		return fmt.Errorf("--partitions %d: must be from 1 to 1024", n)
	}
	return nil
}

// Run relays events until the user has enough.
func (c *relayCommand) Run(ctx context.Context, io stdio, logs *logFlags) error {
	p, err := begin(ctx, io, logs, &c.pipelineFlags, c.To)
	if err != nil {
		return err
	}
	defer p.end()
	client, stream := c.To.open(p.log, 0)
	p.release(func() { _ = client.Close() })
	to, err := redisstream.Publish(client, stream, redisstream.Partitions(c.Partitions),
		redisstream.OrderBy(c.OrderBy.key), redisstream.Replicas(c.Replicas), redisstream.Logger(p.log))
	if err != nil {
		return usageError{err}
	}
	p.release(func() { endPublisher(p.log, to) })
	err = p.receive(&c.sourceFlags, pipeline{
		handler:           to.Handle,
		options:           []eds.Option{eds.OrderBy(lane(c.OrderBy.key))},
		withoutDeadLetter: leaveFailed,
	})
	if err != nil {
		return err
	}
	target := watched{to, p.log, c.To}
	p.probed["to "+c.To.redacted()] = target
	return c.refused(p.run(ctx, target.watch))
}

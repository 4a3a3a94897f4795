package sim

import (
	"context"
	"log/slog"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/dedupe/lru"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/history"
	"github.com/eventdelivery/eds-go/middleware"
	"github.com/eventdelivery/eds-go/transport/edsv2"
)

// Framework is the program that this repository is for: an eds.App on the
// transport that the world asks for, with the middleware that decides about loss and duplicates, and
// the dedupe store that all processes share.
func Framework(opts ...eds.Option) Client {
	return func(ctx context.Context, p *Process) error {
		return p.app(p.world.Store.For(p, nil), opts).Run(ctx)
	}
}

// FrameworkAlone is the same with a store of its own in memory, which dies
// with the process.
func FrameworkAlone(opts ...eds.Option) Client {
	return func(ctx context.Context, p *Process) error {
		memory, err := lru.New()
		if err != nil {
			return err
		}
		p.forgetful = true
		return p.app(p.world.Store.For(p, memory), opts).Run(ctx)
	}
}

// FrameworkWithoutStore is the same without any: what a source repeats is done
// again.
func FrameworkWithoutStore(opts ...eds.Option) Client {
	return func(ctx context.Context, p *Process) error {
		return p.assemble(p.transport(), opts,
			middleware.DeadLetter(p.Park), middleware.Retry(middleware.Backoff(0, 0)), middleware.Recover()).Run(ctx)
	}
}

// app puts the program together around a store.
func (p *Process) app(store dedupe.Store, opts []eds.Option) *eds.App {
	return p.assemble(p.transport(), opts,
		middleware.Dedupe(store),
		middleware.DeadLetter(p.Park),
		middleware.Retry(middleware.Backoff(0, 0)), // no jitter: see Handle
		middleware.Recover(),
	)
}

func (p *Process) transport() eds.Transport {
	if t := p.world.Topic; t != nil {
		return &observed{t.transport(p), p}
	}
	t := edsv2.New(p.world.url(), p.Queue, edsv2.APIKey(p.world.key()), edsv2.DialContext(p.Dial), edsv2.Logger(silence))
	return &observed{t, p}
}

func (p *Process) assemble(t eds.Transport, opts []eds.Option, mws ...eds.Middleware) *eds.App {
	app := eds.New(t, append([]eds.Option{eds.Logger(silence)}, opts...)...)
	app.Use(mws...)
	app.Handle(handledKind, p.Handle)
	return app
}

var silence = slog.New(slog.DiscardHandler)

// observed is a transport with crash points around the acknowledgement, and a
// note of what is given back.
type observed struct {
	eds.Transport
	process *Process
}

// Ack implements eds.Transport.
func (o *observed) Ack(ctx context.Context, d *eds.Delivery) error {
	if err := o.process.reach(BeforeAck, d.Event.ID); err != nil {
		return err
	}
	err := o.Transport.Ack(ctx, d)
	if crash := o.process.reach(AfterAck, d.Event.ID); crash != nil {
		return crash
	}
	return err
}

// Nack implements eds.Transport. What follows in the event's lane begins
// before the service has heard of it, so the history is told here.
func (o *observed) Nack(ctx context.Context, d *eds.Delivery) error {
	o.process.record(history.Entry{Op: history.GivenBack, Event: d.Event.ID})
	return o.Transport.Nack(ctx, d)
}

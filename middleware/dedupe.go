package middleware

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/eds"
)

// DedupeOption changes what Dedupe does.
type DedupeOption func(*dedupeMiddleware)

// DedupeGroup tells this application's events apart from those of others that
// share the store and receive the same events. The default is "".
func DedupeGroup(name string) DedupeOption {
	return func(d *dedupeMiddleware) { d.group = name }
}

// DedupeLease sets for how long an event is protected from other workers
// after its worker died; a running one renews it every third of that. The
// default, also for zero and less, is dedupe.DefaultLease. A longer lease
// delays the events of a dead worker, a shorter one costs renewals.
func DedupeLease(lease time.Duration) DedupeOption {
	return func(d *dedupeMiddleware) {
		if lease > 0 {
			d.lease = lease
		}
	}
}

// MaxAbandoned sets after how many workers that died over an event, or lost
// its lease, it is not run again but handed to the dead letter with an
// *AbandonedError: it is likely the event that kills them. The default, also
// for zero and less, is 5. Attempts that failed or were given back do not
// count; those are the business of Retry.
func MaxAbandoned(n int) DedupeOption {
	return func(d *dedupeMiddleware) {
		if n > 0 {
			d.maxAbandoned = n
		}
	}
}

// ComparePayloads counts events whose id was seen before with another
// payload, in eds.dedupe.changed. They are still duplicates. It is off by
// default, since a service may write the same event in different ways.
func ComparePayloads() DedupeOption {
	return func(d *dedupeMiddleware) { d.compare = true }
}

// DedupeMeterProvider sets where the metrics go. The default, also for nil,
// is OpenTelemetry's global one.
func DedupeMeterProvider(p metric.MeterProvider) DedupeOption {
	return func(d *dedupeMiddleware) {
		if p != nil {
			d.provider = p
		}
	}
}

// Dedupe runs each event once, as far as the store tells: it claims the event
// before the handler runs, commits it afterwards if it is acknowledged, and
// gives it back if it comes again. An event that is done already gets
// eds.ErrDuplicate, which is acknowledged.
//
// An event that another worker is handling is neither run nor acknowledged:
// Dedupe waits for that worker until half of the handler's time is over, at
// most until 5 s before the delivery's deadline (25 s where there is neither),
// and then leaves it for redelivery with
// dedupe.ErrBusy. It takes over when the other's lease ends. When this
// worker's own lease is lost, the handler's context ends with the cause
// dedupe.ErrLeaseLost; a handler that succeeds all the same is committed.
//
// When the store fails to answer a claim, the event is left for redelivery;
// stores that can do better, such as redisstore, do so by themselves. When it
// fails to commit, the event is acknowledged nevertheless: it was handled.
//
// The event's Attempt is set to the store's count if that is higher. What has
// no ID passes through.
//
// The counters, all by queue, are eds.dedupe.hits (duplicates), .busy (events
// that another worker had), .abandoned (events refused after MaxAbandoned),
// .changed, .leases.lost and .store.errors. What needs no mention costs none.
//
// Put it outside of DeadLetter and Retry. A nil store makes a nil Middleware,
// which an App refuses.
func Dedupe(store dedupe.Store, opts ...DedupeOption) eds.Middleware {
	if store == nil {
		return nil
	}
	d := &dedupeMiddleware{store: store, lease: dedupe.DefaultLease, maxAbandoned: 5}
	for _, o := range opts {
		if o != nil {
			o(d)
		}
	}
	d.counters = newDedupeCounters(d.provider)
	return d.wrap
}

// AbandonedError says that an event was not run because too many workers
// ended while they were handling it. Test for it with errors.As.
type AbandonedError struct {
	// Abandoned is how many.
	Abandoned int
}

func (e *AbandonedError) Error() string {
	return fmt.Sprintf("middleware: %d workers ended while handling this event", e.Abandoned)
}

type dedupeMiddleware struct {
	store        dedupe.Store
	group        string
	lease        time.Duration
	maxAbandoned int
	compare      bool
	provider     metric.MeterProvider
	counters     dedupeCounters
}

// claims is the middleware in one place of a chain.
type claims struct {
	*dedupeMiddleware
	next eds.Handler
	// owner and a run's number make a token, so that a second pass of the
	// same run, after its handler panicked or got stuck, owns its claim.
	owner  [8]byte
	leases leases
}

func (d *dedupeMiddleware) wrap(next eds.Handler) eds.Handler {
	c := &claims{dedupeMiddleware: d, next: next}
	rand.Read(c.owner[:])
	c.leases.init(d.store, d.lease, &d.counters)
	return c.handle
}

func (c *claims) handle(ctx context.Context, e *eds.Event) error {
	if e.ID == "" {
		return c.next(ctx, e)
	}
	r := &owned{Context: ctx}
	r.hold = dedupe.Hold{
		Key:   dedupe.Key(c.group, e.Source, e.Queue, e.ID),
		Token: c.token(ctx),
		Lease: c.lease,
	}
	if c.compare {
		r.hold.Payload = hashPayload(e.Payload)
	}
	claim, err := c.store.Claim(ctx, r.hold)
	if err == nil && claim.State == dedupe.Busy {
		c.counters.count(ctx, c.counters.busy, e)
		claim, err = c.await(ctx, r.hold, claim)
	}
	if err != nil {
		if errors.Is(err, dedupe.ErrUnavailable) {
			c.counters.count(ctx, c.counters.errors, e)
		}
		return eds.Redeliver(err)
	}
	if claim.Changed {
		c.counters.count(ctx, c.counters.changed, e)
	}
	if claim.State == dedupe.Done {
		c.counters.count(ctx, c.counters.hits, e)
		return eds.ErrDuplicate
	}
	if claim.Attempt > e.Attempt {
		e.Attempt = claim.Attempt
	}
	if claim.Abandoned >= c.maxAbandoned {
		c.counters.count(ctx, c.counters.abandoned, e)
		refusal := &AbandonedError{claim.Abandoned}
		if !eds.Refuse(ctx, refusal) {
			// There is no App to hand it to the dead letter, so the caller
			// decides.
			c.release(r, e)
			return eds.Permanent(refusal)
		}
	}
	return c.run(ctx, r, e)
}

// run calls the handler for an event that is claimed.
func (c *claims) run(ctx context.Context, r *owned, e *eds.Event) error {
	c.leases.add(r)
	returned := false
	defer func() {
		if !returned { // a panic or Goexit passes through
			c.leases.remove(r)
			c.release(r, e)
		}
	}()
	err := c.next(r, e)
	returned = true
	cut := err != nil && interrupted(r)
	c.leases.remove(r)

	switch outcome := eds.OutcomeOf(err); {
	case err != nil && eds.Abandoned(ctx):
		// Another pass of this run, under the same token, settles the event.
		return err
	case outcome == eds.Failed && cut:
		// The end of a shutdown or the loss of the lease: not the event's fault.
		c.release(r, e)
		return eds.Redeliver(err)
	case outcome == eds.Redelivered:
		c.release(r, e)
	default:
		c.commit(r, e, resultOf(outcome))
	}
	return err
}

func (c *claims) commit(r *owned, e *eds.Event, result dedupe.Result) {
	if _, err := c.store.Commit(r.Context, r.hold, result); err != nil {
		// The effect has happened: the event is acknowledged all the same.
		c.counters.count(r, c.counters.errors, e)
	}
}

func (c *claims) release(r *owned, e *eds.Event) {
	if _, err := c.store.Release(r.Context, r.hold); err != nil {
		// The claim ends with its lease.
		c.counters.count(r, c.counters.errors, e)
	}
}

func (c *claims) token(ctx context.Context) dedupe.Token {
	if run := eds.RunID(ctx); run != 0 {
		return dedupe.TokenFor(c.owner, run)
	}
	return dedupe.NewToken()
}

// resultOf names what an acknowledged event ended with.
func resultOf(o eds.Outcome) dedupe.Result {
	switch o {
	case eds.DeadLetter:
		return dedupe.Parked
	case eds.Unsupported:
		return dedupe.Skipped
	case eds.Failed:
		return dedupe.Failed
	default:
		return dedupe.Succeeded
	}
}

package sim

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

const (
	topicName        = "acme/events/orders"
	subscriptionName = "workers"
)

// Topic says how a world's Pulsar, and what reads it, are set up. Where nothing
// else is said, zero is the default of package pulsarws.
type Topic struct {
	// Kind is the type of the subscription that the processes share; "" for a
	// reader, of which there is one process.
	Kind pulsarws.SubscriptionType
	// Keys is how many keys the events have; 0 for none.
	Keys int
	// Start is where a reader begins that has no position; Earliest unless set.
	Start pulsarws.Start

	Window     int
	Pull       bool
	AckTimeout time.Duration
	NackDelay  time.Duration
	SaveEvery  time.Duration
	// DeadLetters has the service move what came back more often than that to
	// another topic; 0 for never.
	DeadLetters int

	// Lost tells that the service loses the n-th answer to an event, and keeps
	// the connection all the same.
	Lost func(event string, n int) bool
	// InPieces tells that the n-th delivery of an event comes in several frames.
	InPieces func(event string, n int) bool
	// Newer and BatchIDs are as in package pulsartest.
	Newer, BatchIDs bool
}

// topic is a world's side that is a Pulsar with one topic.
type topic struct {
	Topic
	world  *World
	server *pulsartest.Server
	handle *pulsartest.Topic

	mu      sync.Mutex
	next    event       // that is being published
	kept    []published // in their order
	names   map[string]string
	unasked map[delivery][]string // receipts of deliveries without an answer
	readers map[*Process]*pulsarws.Reader
}

// published is an event and where it lies in its topic.
type published struct {
	event
	at place
}

// delivery is what an answer is about: a message on a connection.
type delivery struct {
	conn    int
	message string
}

func newTopic(w *World, spec Topic) *topic {
	t := &topic{Topic: spec, world: w, names: map[string]string{}, unasked: map[delivery][]string{}, readers: map[*Process]*pulsarws.Reader{}}
	opts := []pulsartest.Option{pulsartest.OnRecord(t.observe), pulsartest.Retain(1000)}
	if spec.Newer {
		opts = append(opts, pulsartest.Newer())
	}
	if spec.BatchIDs {
		opts = append(opts, pulsartest.BatchIDs())
	}
	t.server = pulsartest.NewServer(opts...)
	handle, err := t.server.Topic(topicName)
	if err != nil {
		panic(err) // the name above is wrong
	}
	t.handle = handle
	if spec.Kind != "" {
		handle.Subscribe(subscriptionName, false)
	}
	t.plan()
	return t
}

// plan has the service do what the scenario says that it does.
func (t *topic) plan() {
	w := t.world
	about := func(what string, f func(event string, n int) bool) pulsartest.Limit {
		return pulsartest.When(func(m pulsartest.Moment) bool {
			if w.quiet() {
				return false
			}
			event := t.name(m.MessageID)
			return f(event, w.passes.next(what, event))
		})
	}
	if t.Lost != nil {
		for _, kind := range []pulsartest.Command{pulsartest.Ack, pulsartest.Nack} {
			t.server.OnCommand(kind, pulsartest.Lose(), pulsartest.Always(), about("lost "+string(kind), t.Lost))
		}
	}
	if t.InPieces != nil {
		t.server.OnDeliver(pulsartest.Fragment(3), pulsartest.Always(), about("pieces", t.InPieces))
	}
}

func (t *topic) url() string { return t.server.URL() }

func (t *topic) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return t.server.DialContext(ctx, network, address)
}

// open waits for a reader of what is new: what was there before it is none of
// its business.
func (t *topic) open(ctx context.Context) error {
	if t.Start != pulsarws.Latest {
		return nil
	}
	return t.server.WaitConnected(ctx, 1)
}

func (t *topic) publish(events []event) error {
	for _, e := range events {
		t.mu.Lock()
		t.next = e
		t.mu.Unlock()
		m := pulsartest.Message{Payload: e.payload, Key: e.key, Properties: map[string]string{"ce_id": e.id, "ce_type": e.kind}}
		if _, err := t.server.Publish(topicName, m); err != nil {
			return err
		}
	}
	return nil
}

func (t *topic) settled(ctx context.Context) error {
	if t.Kind != "" {
		return t.server.WaitIdle(ctx, topicName, subscriptionName)
	}
	for t.world.Cursor.behind() > 0 {
		if !sleep(ctx, time.Second) {
			return context.Cause(ctx)
		}
	}
	return nil
}

func (t *topic) ended(p *Process) {
	if t.Kind != "" {
		return
	}
	t.world.Cursor.ended(p)
	t.mu.Lock()
	r := t.readers[p]
	t.mu.Unlock()
	if r != nil {
		s := r.Stats()
		t.world.Log.Record(history.Entry{Actor: p.Name, Op: history.Gauge, Result: alarms, Value: int(s.Gaps + s.Missing + s.JumpsBack)})
	}
}

// alarms is the gauge of what a reader believes to be missing.
const alarms = "alarms"

func (t *topic) close() { t.server.Close() }

// name returns the event that a message is.
func (t *topic) name(message string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.names[message]
}

// upTo returns the events that lie at a position or below.
func (t *topic) upTo(position string) []published {
	limit, ok := placeOf(position)
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for ok && n < len(t.kept) && !limit.before(t.kept[n].at) {
		n++
	}
	return t.kept[:n:n]
}

// all returns all events that were published so far.
func (t *topic) all() []published {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clip(t.kept)
}

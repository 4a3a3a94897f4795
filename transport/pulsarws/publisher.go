package pulsarws

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/tracecontext"
	"github.com/eventdelivery/eds-go/internal/wslink"
	"github.com/go-json-experiment/json"
)

// Publisher writes events to a topic. Make it with Publish and end it with
// Close. It connects with the first event, and again after a lost connection.
type Publisher struct {
	settings
	link *wslink.Link[*producer]

	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex
	started bool
	closed  bool
	final   error         // why there will be no connection
	now     *producer     // the present connection; nil for none
	changed chan struct{} // closed when now, final or closed change
}

// Publish returns a publisher to topic, which is TENANT/NAMESPACE/TOPIC with
// or without persistent:// before it, at the service at url: wss://HOST with
// the path and further parameters that a gateway asks for, which are kept. It
// dials nothing. Its error joins an *eds.ConfigError for each wrong setting.
//
// Its method Handle is an eds.Handler, for a route or for middleware.DeadLetter.
func Publish(url, topic string, opts ...PublisherOption) (*Publisher, error) {
	p := &Publisher{settings: defaults(), changed: make(chan struct{})}
	for _, o := range opts {
		if o != nil {
			o.ofPublisher(&p.settings)
		}
	}
	p.Log = p.logger()
	var all []error
	u, t := p.parsed(url, topic, &all)
	all = append(all, p.common()...)
	all = append(all, p.published()...)
	if len(all) > 0 {
		return nil, errors.Join(all...)
	}
	p.param("sendTimeoutMillis", millis(p.publisher.sendTimeout))
	config := config[*producer](&p.settings, u, p.endpoint(u, "/ws/v2/producer/"+t.path()), "topic", t.String())
	config.Open = p.opened
	config.Left = p.left
	config.Judge = p.judge
	p.link = wslink.New(config)
	p.life, p.end = context.WithCancel(context.Background())
	return p, nil
}

// outgoing is a message to the service.
type outgoing struct {
	Payload    []byte            `json:"payload"`
	Properties map[string]string `json:"properties,omitempty"`
	Context    string            `json:"context"`
	Key        string            `json:"key,omitempty"`
	EventTime  string            `json:"eventTime,omitempty"`
}

// Handle publishes the event and returns once the service has stored it. What
// the event is goes into the properties ce_id, ce_type, ce_source and ce_time,
// beside its attributes, in which the trace context of ctx travels along:
// MapProperties reads them. When the connection is lost before the service has
// confirmed, the event is sent again on the next, so that it may be there
// twice, with the same ce_id.
//
// Its error is permanent (eds.IsPermanent) when the event cannot be published
// as it is, an *eds.AuthError or *eds.ConfigError when the service refused the
// publisher for good. When time was up before the service had answered it is
// ctx's error, or context.DeadlineExceeded after SendTimeout, with what kept
// the publisher from being connected, if that was it: the event may have been
// published or not.
func (p *Publisher) Handle(ctx context.Context, e *eds.Event) error {
	m := outgoing{Payload: e.Payload, Properties: propertiesOf(ctx, e)}
	if m.Payload == nil {
		m.Payload = []byte{}
	}
	m.Key = p.publisher.key(e)
	if e.Time.UnixMilli() > 0 && e.Time.Year() <= 9999 {
		// On an earlier time the service ends the connection. The property
		// ce_time has it all the same.
		m.EventTime = e.Time.Format(time.RFC3339Nano)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.publisher.sendTimeout, errSendTimeout)
	defer cancel()
	for {
		c, err := p.connection(ctx)
		if err != nil {
			return err
		}
		if err = c.send(ctx, &m, p.publisher.maxBytes); !errors.Is(err, errLost) {
			return err
		}
	}
}

var errSendTimeout = fmt.Errorf("the service has not confirmed the message in time: %w", context.DeadlineExceeded)

func propertiesOf(ctx context.Context, e *eds.Event) map[string]string {
	all := maps.Clone(tracecontext.Carried(ctx, e.Attributes))
	if all == nil {
		all = make(map[string]string, 4)
	}
	delete(all, attrKey)
	all[propID], all[propType], all[propSource] = e.ID, e.Type, e.Source
	if !e.Time.IsZero() {
		all[propTime] = e.Time.Format(time.RFC3339Nano)
	}
	return all
}

// connection waits for one.
func (p *Publisher) connection(ctx context.Context) (*producer, error) {
	for {
		p.mu.Lock()
		now, changed, err := p.now, p.changed, p.final
		if p.closed {
			err = errPublisherClosed
		}
		if !p.started && err == nil {
			p.started = true
			p.work.Go(p.run)
		}
		p.mu.Unlock()
		if err != nil {
			return nil, err
		}
		if now != nil {
			return now, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			err := fmt.Errorf("pulsarws: not connected: %w", context.Cause(ctx))
			if last := p.link.Status().Err; last != nil {
				err = fmt.Errorf("%w; last: %w", err, last)
			}
			return nil, err
		}
	}
}

var errPublisherClosed = errors.New("pulsarws: publisher is closed")

// run keeps the connection and takes the replies, until Close or for good.
func (p *Publisher) run() {
	err := p.link.Do(p.life, (*producer).replies)
	p.change(func() { p.final = err })
}

func (p *Publisher) opened(line *wslink.Line) *producer {
	c := &producer{session: p.newSession(line), waiting: map[string]request{}}
	p.change(func() { p.now = c })
	return c
}

func (p *Publisher) left(c *producer) {
	p.change(func() {
		if p.now == c {
			p.now = nil
		}
	})
	c.lost()
}

// judge says what an ending means. The service ends the connection over a
// message that is too large for it: to send that again would go on for ever.
func (p *Publisher) judge(end *wslink.Ending) wslink.Class {
	if c, ok := p.link.Session(); ok && end.Code == websocket.StatusMessageTooBig {
		c.refuseLargest()
	}
	return judge(end, p.link.Status().Connects > 0)
}

func (p *Publisher) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

// Status tells how the connection is.
func (p *Publisher) Status() eds.Status { return p.link.Status() }

// Close ends the connection. What is not confirmed by then fails.
func (p *Publisher) Close(ctx context.Context) error {
	p.change(func() { p.closed = true })
	p.end()
	p.work.Wait()
	_ = p.link.Close(ctx, func(s *producer) error { return s.Finish(ctx, nil) })
	return nil
}

// producer is one connection of a Publisher.
type producer struct {
	*session

	sent atomic.Uint64

	mu      sync.Mutex
	waiting map[string]request // by the context of what was sent
	over    bool
}

// request is a message that waits for its reply.
type request struct {
	bytes int
	reply chan error
}

// errLost says that a connection ended before the service had answered.
var errLost = errors.New("pulsarws: connection lost before the message was confirmed")

// send sends a message and waits for the reply.
func (c *producer) send(ctx context.Context, m *outgoing, limit int) error {
	m.Context = strconv.FormatUint(c.sent.Add(1), 10)
	text, err := json.Marshal(m)
	if err != nil {
		return eds.Permanent(fmt.Errorf("pulsarws: event cannot be written as JSON: %w", err))
	}
	if len(text) > limit {
		return eds.Permanent(fmt.Errorf("pulsarws: event is %d bytes as a message, over MaxPublishBytes %d", len(text), limit))
	}
	reply := make(chan error, 1)
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return errLost
	}
	c.waiting[m.Context] = request{len(text), reply}
	c.mu.Unlock()
	defer c.forget(m.Context)
	if c.write(text) != nil {
		return errLost
	}
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return fmt.Errorf("pulsarws: %w", context.Cause(ctx))
	}
}

// forget returns the request that waits for the reply with this context, which
// waits no longer.
func (c *producer) forget(id string) (request, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.waiting[id]
	delete(c.waiting, id)
	return r, ok
}

// replies takes the service's replies until the connection ends.
func (c *producer) replies() error {
	for {
		if err := c.Read(); err != nil {
			return err
		}
		var reply struct {
			Result   string `json:"result"`
			ErrorMsg string `json:"errorMsg"`
			Context  string `json:"context"`
		}
		if json.Unmarshal(c.In, &reply) != nil || reply.Result == "" {
			continue // whatever it is, it answers nothing
		}
		if r, ok := c.meant(reply.Context, reply.Result); ok {
			c.Prove()
			r.reply <- c.verdict(reply.Result, reply.ErrorMsg)
		}
	}
}

// meant returns the request that a reply is for. To what it cannot read the
// service replies without a context, which tells as long as only one waits.
func (c *producer) meant(id, result string) (request, bool) {
	c.mu.Lock()
	if id == "" && result != sent && len(c.waiting) == 1 {
		for id = range c.waiting {
		}
	}
	c.mu.Unlock()
	return c.forget(id)
}

// lost fails all that waits.
func (c *producer) lost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	for _, r := range c.waiting {
		r.reply <- errLost
	}
	clear(c.waiting)
}

// refuseLargest fails the largest message that waits.
func (c *producer) refuseLargest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	var largest string
	for id, r := range c.waiting {
		if r.bytes > c.waiting[largest].bytes {
			largest = id
		}
	}
	if r, ok := c.waiting[largest]; ok {
		delete(c.waiting, largest)
		r.reply <- eds.Permanent(fmt.Errorf("pulsarws: the service takes no message of %d bytes (webSocketMaxTextFrameSize)", r.bytes))
	}
}

// The results of a send, of the module pulsar-websocket (WebSocketError).
const (
	sent           = "ok"
	unreadableSend = "send-error:3"
	badPayload     = "send-error:7"
)

// verdict makes an error of a reply.
func (c *producer) verdict(result, message string) error {
	if result == sent {
		return nil
	}
	err := fmt.Errorf("pulsarws: the service answered %s: %s", wslink.Spoken(result, c.Key), wslink.Spoken(message, c.Key))
	if result == unreadableSend || result == badPayload {
		return eds.Permanent(err)
	}
	return err
}

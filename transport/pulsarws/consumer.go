package pulsarws

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/wslink"
)

// Consumer receives the messages of a subscription, which the service keeps:
// what is not acknowledged comes again, after a Nack, an AckTimeout, or when
// the connection ends. Make it with NewConsumer. Each delivery is settled at
// most once, on the connection that brought it.
//
// An acknowledgement is not confirmed by the service, and one that is lost
// makes the event come again: use middleware.Dedupe.
//
// Of a non-persistent topic nothing comes again. The service gives its messages
// one id for all of them, so that their events have ids made here.
type Consumer struct {
	receiver
	step func(*session) error // next, bound once and not for each delivery
}

var (
	_ eds.Transport      = (*Consumer)(nil)
	_ eds.StatusReporter = (*Consumer)(nil)
	_ eds.Validator      = (*Consumer)(nil)
)

// NewConsumer returns a consumer of the subscription to topic, which is
// TENANT/NAMESPACE/TOPIC with or without persistent:// before it, at the
// service at url: wss://HOST with the path and further parameters that a
// gateway asks for, which are kept. The subscription is made when it does not
// exist. It dials nothing. What is wrong with the settings is told by Validate
// and by the first Receive.
func NewConsumer(url, topic, subscription string, opts ...ConsumerOption) *Consumer {
	c := &Consumer{receiver: receiver{settings: defaults()}}
	c.step = c.next
	for _, o := range opts {
		if o != nil {
			o.ofConsumer(&c.settings)
		}
	}
	c.Log = c.logger()
	c.invalid = c.connectTo(url, topic, subscription)
	return c
}

// connectTo checks the settings and, when they are right, makes the link.
func (c *Consumer) connectTo(rawURL, rawTopic, subscription string) error {
	var all []error
	u, path, queue := c.place(rawURL, rawTopic, subscription, &all)
	if reason := unfit(subscription); reason != "" {
		all = append(all, wslink.Wrong("subscription", subscription, reason))
	}
	all = append(all, c.common()...)
	all = append(all, c.received()...)
	all = append(all, c.consumed()...)
	if len(all) > 0 {
		return errors.Join(all...)
	}
	if c.consumer.kind == "" {
		c.consumer.kind = Exclusive
	}
	c.param("subscriptionType", string(c.consumer.kind))
	c.param("receiverQueueSize", strconv.Itoa(c.queueSize))
	if c.consumer.pull {
		c.param("pullMode", "true")
	}
	c.queue = queue
	config := config[*session](&c.settings, u, c.endpoint(u, path), "subscription", queue+"/"+subscription)
	config.Open = c.begin
	config.Judge = c.judge
	c.link = wslink.New(config)
	return nil
}

// place finds the path of the endpoint and what the events are named after.
func (c *Consumer) place(rawURL, rawTopic, subscription string, all *[]error) (u *url.URL, path, queue string) {
	set := &c.consumer
	if set.pattern == "" && len(set.topics) == 0 {
		u, t := c.parsed(rawURL, rawTopic, all)
		if u != nil {
			c.source = sourceOf(u, t)
		}
		if !t.persistent {
			c.fleeting = newFleeting()
		}
		return u, "/ws/v2/consumer/" + t.path() + "/" + segment(subscription), t.String()
	}

	u, err := c.URL(rawURL)
	if err != nil {
		*all = append(*all, err)
	} else {
		c.source = "pulsar://" + u.Host + "/" + segment(subscription)
	}
	switch {
	case set.pattern != "" && (rawTopic != "" || len(set.topics) > 0):
		*all = append(*all, wslink.Wrong("TopicsPattern", set.pattern, "excludes topics that are named"))
	case set.pattern != "":
		c.param("topicsPattern", set.pattern)
		queue = set.pattern
		c.fleeting = newFleeting() // it may match any topic
	default:
		var names []string
		for _, raw := range append([]string{rawTopic}, set.topics...) {
			t, err := parseTopic(raw)
			if err == nil && strings.Contains(raw, ",") {
				err = wslink.Wrong("topic", raw, "must not hold a comma, which separates several topics")
			}
			if err != nil {
				*all = append(*all, err)
			}
			names = append(names, t.full())
			if !t.persistent {
				c.fleeting = newFleeting()
			}
		}
		queue = strings.Join(names, ",")
		c.param("topics", queue)
	}
	return u, "/ws/v3/consumer/" + segment(subscription), queue
}

// judge says what an ending means.
func (c *Consumer) judge(end *wslink.Ending) wslink.Class {
	class := judge(end, c.link.Status().Connects > 0)
	if k := c.consumer.kind; class == wslink.Held && (k == Shared || k == KeyShared) {
		// Nobody holds what all may share: to stand by would be in vain.
		end.Alarm = true
		end.Note = "since the subscription is not of the type " + string(k) + ", or has as many consumers as it may have"
		return wslink.Transient
	}
	return class
}

// begin makes a session, and asks for the first messages where the service
// waits to be asked.
func (c *Consumer) begin(line *wslink.Line) *session {
	s := c.newSession(line)
	if !c.consumer.pull {
		return s
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	n := c.queueSize
	s.pull = max(n/4, 1)
	if s.permit(n) == nil {
		_ = s.Conn.Flush() // the next read tells
	}
	return s
}

// Receive returns the next delivery, over as many connections as it takes. Its
// error is final: ctx's error when ctx ended, which costs neither the
// connection nor an event; an *eds.AuthError when the token was refused; an
// *eds.ConfigError when the topic or a setting was.
func (c *Consumer) Receive(ctx context.Context) (*eds.Delivery, error) {
	if c.invalid != nil {
		return nil, c.invalid
	}
	if err := c.link.Do(ctx, c.step); err != nil {
		return nil, err
	}
	return c.got, nil
}

// next reads until there is a delivery, and leaves it in got.
func (c *Consumer) next(s *session) error {
	for {
		if s.unanswerable > c.queueSize/2 {
			// A new connection has its window whole, and what could not be
			// answered comes again or does not.
			return errWindowLost
		}
		if err := s.Read(); err != nil {
			return err
		}
		d := c.open(s)
		if d == nil {
			continue
		}
		if k := c.consumer.kind; k == Shared || k == KeyShared {
			d.Event.Attempt = s.envelope.redelivery + 1
		}
		limit := forgets
		if c.consumer.ackTimeout > 0 {
			limit = min(limit, c.consumer.ackTimeout)
		}
		d.Deadline = d.Received.Add(limit)
		c.got = &d.Delivery
		return nil
	}
}

var errWindowLost = wslink.Alarm(errors.New("too many messages without a message id, which fill the window"))

// Ack sends the acknowledgement, or has it sent together with others within a
// millisecond. It returns eds.ErrReceiptLost when the connection that brought
// the delivery is gone, and nil without sending when the delivery was settled
// before or has no receipt. ctx is not looked at: a write is bounded by WriteTimeout.
func (c *Consumer) Ack(_ context.Context, d *eds.Delivery) error { return c.settle(ack, d) }

// Nack has the service deliver the event again after NackDelay. It returns
// what Ack does.
func (c *Consumer) Nack(_ context.Context, d *eds.Delivery) error { return c.settle(nack, d) }

func (c *Consumer) settle(how command, d *eds.Delivery) error {
	held, _ := d.Tag.(*delivered)
	if held == nil || held.session.Over() {
		return eds.ErrReceiptLost
	}
	// A second answer would widen the window for the rest of the connection.
	if d.Receipt == "" || !held.answered.CompareAndSwap(false, true) {
		return nil
	}
	if err := held.session.answer(how, d.Receipt); err != nil {
		return c.link.Safe("cannot settle a message", err, held.session.Key)
	}
	held.session.Prove()
	return nil
}

// Close sends what is still held back and ends the connection with the close
// code 1000; the service then hands what was not settled to other consumers.
func (c *Consumer) Close(ctx context.Context) error {
	if c.link == nil {
		return nil
	}
	return c.link.Close(ctx, func(s *session) error {
		if err := s.Finish(ctx, nil); err != nil {
			return c.link.Safe("cannot send the last acknowledgements", err, s.Key)
		}
		return nil
	})
}

package pulsartest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// admitConsumer subscribes. Parameters are checked before permissions.
func (s *Server) admitConsumer(c *session, q url.Values) *refusal {
	var refused *refusal
	if c.params, refused = consumerParams(q, c.target); refused != nil {
		return refused
	}
	names := []string{c.target.topic}
	if c.target.multi {
		names = c.params.topics
	}
	if refused := s.authorize(names...); refused != nil {
		return refused
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.params.pattern != nil {
		names = nil
		for _, name := range s.names() {
			if c.params.pattern.MatchString(name) {
				names = append(names, name)
			}
		}
	}
	var leaves []*topic
	for _, name := range names {
		t := s.open(name, !s.conf.noCreate)
		if t == nil {
			return &refusal{http.StatusNotFound, failed("Topic does not exist: " + name)}
		}
		c.multi = c.multi || len(t.partitions) > 0
		leaves = append(leaves, t.leaves()...)
	}
	c.split = c.multi
	c.multi = c.multi || len(names) > 1 || c.params.pattern != nil
	if c.multi && c.params.queue == 0 {
		return broken(failed("Receiver queue size needs to be greater than 0 for Topics Consumer"))
	}
	for _, t := range leaves {
		if t.subs[c.target.subscription] == nil && s.conf.noSubscribe && c.params.durable {
			return broken(failed("Subscription does not exist"))
		}
		if refused := t.taken(c.target.subscription, c.params.kind); refused != nil {
			return refused
		}
	}
	s.number(c)
	for _, t := range leaves {
		c.subscribe(t)
	}
	c.pull = c.params.pull
	if !c.pull {
		c.max = max(c.params.queue, 1)
	}
	return nil
}

// taken says why a consumer of this kind cannot have the subscription now.
func (t *topic) taken(subscription string, kind Type) *refusal {
	sub := t.subs[subscription]
	switch {
	case sub == nil || len(sub.members) == 0:
		return nil
	case sub.kind != kind:
		return &refusal{http.StatusConflict, failed(fmt.Sprintf("Subscription is of different type: %s", sub.kind))}
	case kind == Exclusive:
		return &refusal{http.StatusConflict, failed("Exclusive consumer is already connected")}
	}
	return nil
}

func failed(why string) string { return "Failed to create producer/consumer: " + why }

// subscribe joins the subscription on one topic or partition.
func (c *session) subscribe(t *topic) {
	start := t.end()
	if c.params.earliest {
		start = t.base
	}
	_, existed := t.subs[c.target.subscription]
	sub := t.subscribe(c.target.subscription, start)
	if !existed {
		sub.durable = c.params.durable
	}
	c.members = append(c.members, sub.join(c, c.params.kind, c.params.queue))
	sub.dispatch()
}

// joinPatterns subscribes those whose pattern a new topic matches. The service
// looks for new topics once a minute, this one does at once.
func (s *Server) joinPatterns(t *topic) {
	for c := range s.sessions {
		if c.params.pattern != nil && !c.unsubscribed && c.params.pattern.MatchString(t.name) &&
			t.taken(c.target.subscription, c.params.kind) == nil {
			c.subscribe(t)
		}
	}
}

// admitReader makes a subscription of the reader's own. Every reason not to is
// a 500, unless the server behaves as Newer.
func (s *Server) admitReader(c *session, q url.Values) *refusal {
	var refused *refusal
	if c.params, refused = readerParams(q); refused != nil {
		return s.noReader(refused)
	}
	if refused := s.authorize(c.target.topic); refused != nil {
		return refused
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := messageID{}
	if start := c.params.start; start != "earliest" && start != "latest" {
		var err error
		if id, err = parseID(start); err != nil {
			return s.noReader(invalid(err.Error()))
		}
	}
	t := s.open(c.target.topic, !s.conf.noCreate)
	if t == nil {
		return s.noReader(&refusal{http.StatusNotFound, "Topic does not exist: " + c.target.topic})
	}
	if len(t.partitions) > 0 {
		switch {
		case id != messageID{}:
			return s.noReader(broken("The partitioned topic startMessageId is illegal"))
		case c.params.queue == 0:
			return s.noReader(broken("Receiver queue size needs to be greater than 0 for Topics Consumer"))
		}
	}
	s.number(c)
	s.named++
	c.target.subscription = fmt.Sprintf("reader-%010x", s.named)
	c.max = max(c.params.queue, 1)
	for _, leaf := range t.leaves() {
		c.after = id
		sub := leaf.subscribe(c.target.subscription, leaf.startOf(c.params.start, id))
		sub.durable = false
		permits := c.params.queue
		if entry, ok := leaf.entryOf(id); ok && permits == 1 && leaf.at(entry) != nil && !leaf.ofBatch(entry) {
			// The message that it begins behind comes to the inner reader, which
			// drops it and never gets its only permit back.
			permits = 0
		}
		c.members = append(c.members, sub.join(c, Exclusive, permits))
		sub.dispatch()
	}
	return nil
}

// startOf returns the entry at which a reader starts: behind the message that
// it names.
func (t *topic) startOf(start string, id messageID) int64 {
	switch {
	case start == "earliest":
		return t.base
	case start == "latest":
		return t.end()
	}
	// What is left of a batch; all of it when the id does not say where in it.
	if entry, ok := t.entryOf(id); ok && t.ofBatch(entry) && id.batchIndex < t.at(entry).size()-1 {
		return entry
	}
	return max(t.behind(id), t.base)
}

func (s *Server) noReader(why *refusal) *refusal {
	text := "Failed to create reader: " + strings.TrimPrefix(why.text, "Invalid query params: ")
	if s.conf.newer {
		return &refusal{why.status, text}
	}
	return broken(text)
}

// admitProducer registers a producer. Permissions are checked before
// parameters.
func (s *Server) admitProducer(c *session, q url.Values) *refusal {
	if refused := s.authorize(c.target.topic); refused != nil {
		return refused
	}
	name, batches, refused := producerParams(q)
	if refused != nil {
		return refused
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.open(c.target.topic, !s.conf.noCreate)
	switch {
	case t == nil:
		return &refusal{http.StatusNotFound, failed("Topic does not exist: " + c.target.topic)}
	case t.leaves()[0].terminated:
		return &refusal{http.StatusServiceUnavailable, failed("Topic was already terminated")}
	}
	if name == "" {
		s.named++
		name = fmt.Sprintf("standalone-0-%d", s.named)
	} else if t.producers[name] != nil {
		return &refusal{http.StatusConflict, failed(fmt.Sprintf("Producer with name '%s' is already connected to topic", name))}
	}
	s.number(c)
	c.params.name = name
	c.produces, c.pile = t, batches
	t.producers[name] = c
	return nil
}

// number gives a session its number. The caller holds mu.
func (s *Server) number(c *session) {
	s.conns++
	c.n = s.conns
}

package pulsartest

import "time"

// piece is a message on its way through the proxy; of a batch, one of several
// with the same hold.
type piece struct {
	h *hold
	m *message
}

// size is how many messages an entry holds.
func (m *message) size() int { return max(len(m.parts), 1) }

// each returns the messages of an entry.
func (m *message) each() []*message {
	if m.parts == nil {
		return []*message{m}
	}
	return m.parts
}

// ofBatch tells whether an entry is a batch.
func (t *topic) ofBatch(entry int64) bool {
	m := t.at(entry)
	return m != nil && m.parts != nil
}

// hides tells whether a reader that begins behind id skips a message of the
// batch in which that is.
func (id messageID) hides(part messageID) bool {
	return id.ledger == part.ledger && id.entry == part.entry && id.partition == part.partition && part.batchIndex <= id.batchIndex
}

// appendBatch takes in several messages as one entry. Pulsar makes no batch of
// one. The caller holds mu.
func (t *topic) appendBatch(all []Message, conn int) ([]*message, error) {
	if len(all) == 1 || t.terminated {
		m, err := t.append(all[0], nil, conn)
		return []*message{m}, err
	}
	batch := t.message(all[0]) // whose key counts for all
	for i, msg := range all {
		part := t.message(msg)
		part.ref.batchIndex, part.ref.batchSize = i, len(all)
		part.id = part.ref.String()
		part.render(t.s.conf.zone)
		batch.parts = append(batch.parts, part)
		t.byID[part.id] = batch
		t.s.record(Record{Op: OpPublish, Conn: conn, Topic: t.name, MessageID: part.id})
	}
	batch.ref, batch.id = batch.parts[0].ref, batch.parts[0].id
	t.enter(batch)
	return batch.parts, nil
}

// pile is what a producer collects for a batch.
type pile struct {
	on    bool
	most  int // messages; zero and less for no limit
	delay time.Duration

	topics   []*topic // by the time of their first message
	messages map[*topic][]Message
	contexts map[*topic][]*string
	n        int
}

// heap puts a message aside, to be stored with those that follow. The caller
// holds mu.
func (c *session) heap(to *topic, msg Message, context *string) {
	p := &c.pile
	if p.n == 0 {
		p.topics, p.messages, p.contexts = nil, map[*topic][]Message{}, map[*topic][]*string{}
		c.later(max(p.delay, 0), c.store)
	}
	if len(p.messages[to]) == 0 {
		p.topics = append(p.topics, to)
	}
	p.messages[to] = append(p.messages[to], msg)
	p.contexts[to] = append(p.contexts[to], context)
	p.n++
	if p.most > 0 && p.n >= p.most {
		c.store()
	}
}

// store makes batches of what was put aside, one for each partition.
func (c *session) store() {
	p := &c.pile
	p.n = 0
	topics := p.topics
	p.topics = nil
	for _, to := range topics {
		parts, err := to.appendBatch(p.messages[to], c.n)
		for i, context := range p.contexts[to] {
			if err != nil {
				c.sent(nil, err, context)
			} else {
				c.sent(parts[i], nil, context)
			}
		}
	}
}

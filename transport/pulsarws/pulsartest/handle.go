package pulsartest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// Topic is a look at, and a hand on, one topic of a Server.
type Topic struct {
	s    *Server
	name string
}

// Topic returns the topic of that name, and makes it if need be. Names are as
// for Publish; the error says that a name is none.
func (s *Server) Topic(name string) (*Topic, error) {
	full, err := fullName(name)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open(full, true)
	return &Topic{s, full}, nil
}

// Name is the topic's full name.
func (t *Topic) Name() string { return t.name }

// SetPartitions makes the topic, which must be new, a partitioned one. The
// partitions are topics of their own, named "{topic}-partition-{n}".
func (t *Topic) SetPartitions(n int) error {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	parent := t.s.topics[t.name]
	if n < 1 || len(parent.partitions) > 0 || parent.end() > 0 || len(parent.subs)+len(parent.producers) > 0 {
		return fmt.Errorf("pulsartest: %s: cannot have %d partitions now", t.name, n)
	}
	for i := range n {
		parent.partitions = append(parent.partitions, t.s.newTopic(partitionName(t.name, i), i))
	}
	return nil
}

// Terminate ends the topic: it takes no more messages.
func (t *Topic) Terminate() {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	for _, leaf := range t.s.leaves(t.name) {
		leaf.terminated = true
	}
}

// Unload lets the broker let go of the topic and take it up again: what is not
// acknowledged is delivered once more on the same connections, with counts of
// redeliveries from 0, and the ids of new messages have another ledger.
func (t *Topic) Unload() {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	for _, leaf := range t.s.leaves(t.name) {
		leaf.unload()
	}
}

// Delete deletes the topic with its messages and subscriptions. The sessions
// stay open. They get what is published to the topic when it is made anew,
// unless the server has NoAutoCreate: then they get nothing any more.
func (t *Topic) Delete() {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	for _, leaf := range t.s.leaves(t.name) {
		leaf.delete()
	}
	if t.s.conf.noCreate {
		delete(t.s.topics, t.name)
	}
}

// TrimTo drops the messages up to the one with this id, that one included,
// acknowledged or not. False when there is no such message any more.
func (t *Topic) TrimTo(id string) bool {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	for _, leaf := range t.s.leaves(t.name) {
		if m := leaf.find(id); m != nil {
			leaf.trim(m.entry + 1)
			return true
		}
	}
	return false
}

// Messages returns what the topic keeps, partition by partition, in order.
func (t *Topic) Messages() []Published {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	var all []Published
	for _, leaf := range t.s.leaves(t.name) {
		for _, entry := range leaf.log {
			for _, m := range entry.each() {
				all = append(all, Published{Message: m.Message.clone(), ID: m.id, PublishTime: m.at})
			}
		}
	}
	return all
}

// Subscribe makes a durable subscription without a consumer, from the first
// message that is kept or, when latest, behind the last. An existing one stays
// as it is.
func (t *Topic) Subscribe(name string, latest bool) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	for _, leaf := range t.s.leaves(t.name) {
		start := leaf.base
		if latest {
			start = leaf.end()
		}
		leaf.subscribe(name, start)
	}
}

// Subscriptions returns the names of all subscriptions, readers' included.
func (t *Topic) Subscriptions() []string {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	names := map[string]bool{}
	for _, leaf := range t.s.leaves(t.name) {
		for name := range leaf.subs {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Backlog is how many messages the subscription has not acknowledged, of which
// a batch counts as one.
func (t *Topic) Backlog(subscription string) int {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	return t.s.backlog(t.name, subscription)
}

// Unacked returns the ids of what the subscription has not acknowledged,
// delivered or not, partition by partition, in order. It looks at all messages.
func (t *Topic) Unacked(subscription string) []string {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	var ids []string
	for _, leaf := range t.s.leaves(t.name) {
		sub := leaf.subs[subscription]
		if sub == nil {
			continue
		}
		for entry := max(sub.done, leaf.base); entry < leaf.end(); entry++ {
			if !sub.isAcked(entry) {
				for _, m := range leaf.at(entry).each() {
					ids = append(ids, m.id)
				}
			}
		}
	}
	return ids
}

// Send sends a text message of any content to each live consumer and reader of
// the topic, ahead of the messages that wait, and returns how many there are.
// It belongs to no message and counts in no window.
func (t *Topic) Send(data []byte) int { return t.send(wsserver.Text, data) }

// SendBinary is as Send, for a binary message.
func (t *Topic) SendBinary(data []byte) int { return t.send(wsserver.Binary, data) }

func (t *Topic) send(op byte, data []byte) (n int) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	for _, c := range t.s.live() {
		of := func(m *member) bool { return slices.Contains(t.s.leaves(t.name), m.sub.t) }
		if slices.ContainsFunc(c.members, of) {
			c.out = append(c.out, wsserver.AppendFrame(nil, op, true, data))
			c.Poke()
			n++
		}
	}
	return n
}

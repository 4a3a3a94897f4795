package pulsartest

import (
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// topic is a topic, or one partition of one. A partitioned topic itself has
// partitions and nothing else.
type topic struct {
	s          *Server
	name       string   // in full
	partition  int      // -1 when it is none
	ledgers    []ledger // the last is written to
	persistent bool
	terminated bool

	partitions []*topic
	turn       int // of round-robin publishing to the partitions

	base      int64      // the entry of log[0]
	log       []*message // that are retained
	byID      map[string]*message
	subs      map[string]*subscription // readers' too
	producers map[string]*session      // by name
}

// open returns the topic of that full name, and makes it if create says so.
// The caller holds mu.
func (s *Server) open(name string, create bool) *topic {
	t := s.topics[name]
	if t == nil && create {
		t = s.newTopic(name, -1)
		s.joinPatterns(t)
	}
	return t
}

func (s *Server) newTopic(name string, partition int) *topic {
	t := &topic{
		s: s, name: name, partition: partition,
		persistent: strings.HasPrefix(name, persistent+":"),
		byID:       map[string]*message{},
		subs:       map[string]*subscription{},
		producers:  map[string]*session{},
	}
	s.topics[name] = t
	t.newLedger()
	return t
}

// delete empties the topic. Its consumers subscribe anew, to what is empty, or
// are cut off for good. The caller holds mu.
func (t *topic) delete() {
	t.trim(t.end())
	t.newLedger()
	t.terminated = false
	for name, sub := range t.subs {
		for _, m := range sub.members {
			sub.takeBack(m)
		}
		clear(sub.counts)
		if t.s.conf.noCreate {
			for _, m := range sub.members {
				m.c.members = slices.DeleteFunc(m.c.members, func(other *member) bool { return other == m })
			}
			sub.members = nil
		}
		if len(sub.members) == 0 {
			sub.stop()
			delete(t.subs, name)
		}
	}
	if t.s.conf.noCreate {
		delete(t.s.topics, t.name)
	}
}

// leaves returns what holds the messages of a topic: its partitions, or else
// itself; nothing when it does not exist. The caller holds mu.
func (s *Server) leaves(name string) []*topic {
	t := s.topics[name]
	if t == nil {
		return nil
	}
	return t.leaves()
}

func (t *topic) leaves() []*topic {
	if len(t.partitions) > 0 {
		return t.partitions
	}
	return []*topic{t}
}

func (t *topic) end() int64 { return t.base + int64(len(t.log)) }

// at returns the message of an entry; nil when it is trimmed or does not exist.
func (t *topic) at(entry int64) *message {
	if entry < t.base || entry >= t.end() {
		return nil
	}
	return t.log[entry-t.base]
}

func (t *topic) find(id string) *message { return t.byID[id] }

// route chooses the partition of a message by its key, and else in turn.
func (t *topic) route(key string) *topic {
	n := len(t.partitions)
	if n == 0 {
		return t
	}
	if key != "" {
		return t.partitions[hash(key)%uint64(n)]
	}
	t.turn++
	return t.partitions[t.turn%n]
}

func hash(key string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	return h.Sum64()
}

// errTerminated says that a topic takes no more messages.
var errTerminated = errors.New("topic is terminated")

// append takes in a message, of which envelope is the hand-made envelope or
// nil. The caller holds mu.
func (t *topic) append(msg Message, envelope []byte, conn int) (*message, error) {
	if t.terminated {
		return nil, fmt.Errorf("pulsartest: %s: %w", t.name, errTerminated)
	}
	m := t.message(msg)
	if t.s.conf.batchIDs {
		m.ref.batchIndex, m.ref.batchSize = 0, 1
	}
	m.id = m.ref.String()
	if envelope == nil {
		m.render(t.s.conf.zone)
	} else {
		m.handmade = true
		m.head = []byte(strings.ReplaceAll(string(envelope), Placeholder, m.id))
	}
	t.byID[m.id] = m
	t.s.record(Record{Op: OpPublish, Conn: conn, Topic: t.name, MessageID: m.id})
	t.enter(m)
	return m, nil
}

// message makes the message that is to be entered next.
func (t *topic) message(msg Message) *message {
	m := &message{Message: msg, t: t, entry: t.end(), at: time.Now()}
	last := t.ledgers[len(t.ledgers)-1]
	m.ref = messageID{ledger: last.id, entry: m.entry - last.first, partition: t.partition, batchIndex: -1}
	if !t.persistent {
		m.ref.ledger, m.ref.entry = 0, 0 // all messages: none lies anywhere
	}
	return m
}

// enter puts a message, or a batch, at the end of the log and hands it out.
func (t *topic) enter(m *message) {
	t.log = append(t.log, m)
	for _, sub := range t.subs {
		sub.dispatch()
		if !t.persistent {
			sub.skipTo(t.end())
		}
	}
	if !t.persistent {
		t.trim(t.end())
	}
	t.retain()
}

// trim drops the messages before an entry. The caller holds mu.
func (t *topic) trim(to int64) {
	to = min(to, t.end())
	if to <= t.base {
		return
	}
	n := to - t.base
	for _, m := range t.log[:n] {
		delete(t.byID, m.id)
		for _, part := range m.parts {
			delete(t.byID, part.id)
		}
	}
	clear(t.log[:n])
	t.log = t.log[n:]
	t.base = to
	for _, sub := range t.subs {
		sub.skipTo(to)
	}
}

// retain drops what all durable subscriptions are done with, but for as many
// messages as the configuration says. The caller holds mu.
func (t *topic) retain() {
	keep := int64(t.s.conf.retainTopic)
	if keep == 0 || int64(len(t.log)) < 2*keep {
		return
	}
	to := t.end() - keep
	for _, sub := range t.subs {
		if sub.durable {
			to = min(to, sub.done)
		}
	}
	t.trim(to)
}

// stop ends the timers. The caller holds mu.
func (t *topic) stop() {
	for _, sub := range t.subs {
		sub.stop()
	}
}

// subscribe returns the subscription, and makes it if need be. The caller
// holds mu.
func (t *topic) subscribe(name string, start int64) *subscription {
	if sub := t.subs[name]; sub != nil {
		return sub
	}
	start = max(start, t.base)
	sub := &subscription{
		t: t, name: name, durable: true,
		next: start, done: start,
		acked: map[int64]struct{}{}, held: map[int64]*hold{}, counts: map[int64]int{}, given: map[int64]struct{}{},
		back: byEntry{set: map[int64]struct{}{}},
	}
	t.subs[name] = sub
	return sub
}

// names returns the names of all topics that exist, without partitions. The
// caller holds mu.
func (s *Server) names() []string {
	var names []string
	for name, t := range s.topics {
		if t.partition < 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

package pulsartest

import (
	"bytes"
	"fmt"
	"maps"
	"time"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// delivery is what the proxy remembers under the text of an id.
type delivery struct {
	piece
	at time.Time
}

// remembered is for how long a delivery is.
const remembered = time.Hour

// due is an entry that comes again at a time, unless it is acknowledged.
type due struct {
	at    time.Time
	sub   *subscription
	entry int64
	h     *hold // the delivery that is overdue; nil for a negative acknowledgement
}

// dues are in the order of their times, since all wait for equally long.
type dues struct {
	wsserver.FIFO[due]
	timer *time.Timer
}

// add plans d; after is how long that is from now, zero for never.
func (q *dues) add(c *session, d due, after time.Duration) {
	if after == 0 {
		return
	}
	q.Push(d)
	if q.Len() > 1 {
		return
	}
	if q.timer == nil {
		q.timer = time.AfterFunc(after, func() { c.fall(q) })
		return
	}
	q.timer.Reset(after)
}

// fall has come again what is due. It runs on the goroutine of the timer.
func (c *session) fall(q *dues) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.Open() {
		return
	}
	now := time.Now()
	touched := map[*member]int{}
	for {
		d, ok := q.Peek()
		if !ok || now.Before(d.at) {
			break
		}
		q.Pop()
		h := d.sub.held[d.entry]
		if h == nil || h.by.c != c || d.h != nil && (d.h != h || h.answered) {
			// An exclusive consumer goes back for a message that is done, too.
			if d.h != nil || d.sub.shares() {
				continue
			}
		}
		if h == nil || !d.sub.shares() {
			if m := c.memberOf(d.sub); m != nil {
				touched[m] += 0
			}
			continue
		}
		if c.params.redeliver > 0 && h.count >= c.params.redeliver && s.deadLetter(c, h) {
			touched[h.by] += 0
			continue
		}
		d.sub.giveBack(h)
		touched[h.by]++
	}
	if d, ok := q.Peek(); ok {
		q.timer.Reset(d.at.Sub(now))
	}
	why := "a negative acknowledgement"
	if q == &c.overdue {
		why = "the acknowledgement timeout"
	}
	for m, n := range touched {
		if !m.sub.shares() {
			n = m.sub.takeBack(m) // all of them, whichever was meant
		}
		if n > 0 {
			s.record(c.note(Record{Op: OpReturn, Topic: m.sub.t.name, Count: n, Detail: why}))
		}
		m.sub.dispatch()
	}
}

func (c *session) memberOf(sub *subscription) *member {
	for _, m := range c.members {
		if m.sub == sub {
			return m
		}
	}
	return nil
}

// Properties of a dead letter (RetryMessageUtil).
const (
	realTopic        = "REAL_TOPIC"
	realSubscription = "REAL_SUBSCRIPTION"
	originID         = "ORIGIN_MESSAGE_ID"
	originIDOld      = "ORIGIN_MESSAGE_IDY_TIME"
)

// deadLetter moves a message to the dead-letter topic. False when that topic
// takes none.
func (s *Server) deadLetter(c *session, h *hold) bool {
	for _, m := range h.m.each() {
		if !s.letter(c, m) {
			return false
		}
	}
	h.by.sub.ack(h.m.entry)
	s.record(c.note(Record{Op: OpDeadLetter, Topic: h.m.t.name, MessageID: h.m.id, Count: h.count, Detail: c.params.deadLetter}))
	return true
}

// letter puts a copy of a message into the dead-letter topic.
func (s *Server) letter(c *session, m *message) bool {
	letter := m.Message
	letter.DeliverAt = time.Time{}
	letter.Properties = maps.Clone(m.Properties)
	if letter.Properties == nil {
		letter.Properties = map[string]string{}
	}
	id := fmt.Sprintf("%d:%d:%d", m.ref.ledger, m.ref.entry, m.ref.partition)
	for name, value := range map[string]string{
		realTopic: m.t.name, realSubscription: c.target.subscription, originID: id, originIDOld: id,
	} {
		if _, ok := letter.Properties[name]; !ok {
			letter.Properties[name] = value
		}
	}
	var envelope []byte
	if m.handmade {
		envelope = bytes.ReplaceAll(m.head, []byte(m.id), []byte(Placeholder))
	}
	_, err := s.open(c.params.deadLetter, true).route(m.Key).append(letter, envelope, c.n)
	return err == nil
}

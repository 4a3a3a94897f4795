package pulsartest

import (
	"errors"
	"time"
)

// answer is an acknowledgement, negative or not.
func (c *session) answer(cmd command) {
	text := string(cmd.id)
	d, hit := c.delivered[text]
	if hit {
		delete(c.delivered, text)
		hit = time.Since(d.at) < remembered
	}
	var sub *subscription
	var entry int64
	known := true
	if hit {
		sub, entry = d.h.by.sub, d.m.entry
	} else {
		if cmd.id == nil {
			c.throw(`Cannot invoke "String.getBytes(java.nio.charset.Charset)" because "src" is null`)
			return
		}
		id, err := parseID(text)
		switch {
		case errors.Is(err, errBase64):
			c.throw(err.Error())
			return
		case err != nil:
			c.unreadable(err.Error())
			return
		}
		if cmd.kind == Nack && c.multi && !c.split {
			c.throw("Cannot invoke negativeAcknowledge on a message id without a topic")
			return
		}
		sub, entry, known = c.rebuild(id)
	}
	note := c.note(Record{MessageID: text})
	if cmd.kind == Nack {
		note.Op = OpNack
		if known && !c.unsubscribed {
			if h := sub.held[entry]; h != nil && h.by.c == c {
				h.answered = true
			}
			c.nacks.add(c, due{at: time.Now().Add(c.params.nackDelay), sub: sub, entry: entry}, c.params.nackDelay)
		}
	} else if hit && d.h.left > 1 && !c.unsubscribed {
		d.h.left-- // the batch is acknowledged with the last of its messages
		note.Op = OpAckPart
	} else {
		note.Op = c.ack(sub, entry, known, hit)
	}
	c.s.record(note)
	c.credit()
}

// rebuild finds what an id names that the proxy no longer knows.
func (c *session) rebuild(id messageID) (*subscription, int64, bool) {
	for _, m := range c.members {
		if entry, ok := m.sub.t.entryOf(id); ok {
			return m.sub, entry, true
		}
	}
	return nil, 0, false
}

func (c *session) ack(sub *subscription, entry int64, known, hit bool) Op {
	switch {
	case !known || c.unsubscribed:
		return OpAckUnknown
	case !hit && (c.multi || sub.t.ofBatch(entry)):
		return OpAckRefused
	case !sub.t.persistent:
		return OpAck
	}
	if h := sub.held[entry]; h != nil {
		h.answered = true
	}
	if !sub.ack(entry) {
		return OpAckDuplicate
	}
	if sub.kind == KeyShared {
		sub.dispatch()
	}
	return OpAck
}

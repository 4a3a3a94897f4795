package pulsartest

import "slices"

// ledger is a run of messages whose ids have its number, counted from 0. A
// topic gets a new one when it is unloaded or deleted.
type ledger struct {
	id    int64
	first int64 // the entry, of the topic, of its first message
}

// newLedger has the messages to come numbered from 0 again.
func (t *topic) newLedger() {
	t.s.ledgers++
	t.ledgers = append(t.ledgers, ledger{t.s.ledgers, t.end()})
}

// behind returns the entry that follows the message with an id, be the message
// still there or not. An id of a ledger that is not the topic's lies between
// those that are.
func (t *topic) behind(id messageID) int64 {
	end := t.end()
	for _, l := range slices.Backward(t.ledgers) {
		switch {
		case l.id < id.ledger:
			return end
		case l.id == id.ledger:
			return l.first + min(max(id.entry, -1), end-l.first-1) + 1
		}
		end = l.first
	}
	return t.base
}

// entryOf returns the entry of an id; false when it is none of the topic's.
func (t *topic) entryOf(id messageID) (int64, bool) {
	for i, l := range t.ledgers {
		if l.id != id.ledger {
			continue
		}
		end := t.end()
		if i+1 < len(t.ledgers) {
			end = t.ledgers[i+1].first
		}
		return l.first + id.entry, id.entry >= 0 && id.entry < end-l.first
	}
	return 0, false
}

// unload has every consumer fetch again what is not acknowledged, as when the
// topic moves to another broker. The caller holds mu.
func (t *topic) unload() {
	t.newLedger()
	for _, sub := range t.subs {
		clear(sub.counts)
		for _, m := range sub.members {
			if n := sub.takeBack(m); n > 0 {
				t.s.record(m.c.note(Record{Op: OpReturn, Topic: t.name, Count: n, Detail: "the topic was unloaded"}))
			}
		}
		sub.dispatch()
	}
}

package pulsarws

import "github.com/eventdelivery/eds-go/transport/cursor"

// arrived takes note of a message, and tells whether it is to be delivered.
func (r *Reader) arrived(s *session, d *delivered) bool {
	id := d.Receipt
	r.lastID = id
	known, missing := r.mark.Arrived(id)
	if missing > 0 {
		n := r.counters.missing.Add(uint64(missing))
		r.Log.Error("eds: messages that were not settled are gone from the topic", "topic", r.queue, "missing", missing, "count", n)
	}
	if known == cursor.Settled && id == r.from {
		return false // the service counts the start in
	}
	next := placeOf(id)
	if r.start == string(Latest) && next.known {
		r.pin(next.before())
	}
	switch r.at.step(next) {
	case gap:
		r.noteGap(id)
	case back:
		if n := r.counters.jumpsBack.Add(1); telling(n) {
			r.Log.Warn("eds: the topic went back", "topic", r.queue, "message_id", id, "count", n)
		}
	case onward:
		if r.behind && next.ledger > r.at.ledger {
			r.origin.compare(r, s.Key, next, id)
		}
	}
	r.at, r.behind = next, false
	return known != cursor.Settled
}

func (r *Reader) noteGap(id string) {
	if n := r.counters.gaps.Add(1); telling(n) {
		r.Log.Warn("eds: messages seem to be missing", "topic", r.queue, "message_id", id, "count", n)
	}
}

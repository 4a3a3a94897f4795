package pulsarws

import (
	"github.com/eventdelivery/eds-go/internal/wslink"
	"github.com/eventdelivery/eds-go/transport/cursor"
)

// arrived takes note of a message, and tells whether it is to be delivered. Its
// error is final.
func (r *Reader) arrived(s *session, d *delivered) (bool, error) {
	id := d.Receipt
	next := placeOf(id)
	if r.whole && next.known && next.partition >= 0 {
		err := wslink.Wrong("topic", r.queue, "has partitions, so that a Reader cannot go on after it was interrupted: "+
			"read each one by its own name, which ends in -partition-N, or use a Consumer")
		if r.saver != nil {
			return false, err
		}
		r.Log.Error("eds: this Reader will end with its connection", "topic", r.queue, "error", err)
		r.whole = false
	}
	r.lastID = id
	known, missing := r.mark.Arrived(id)
	if missing > 0 {
		n := r.counters.missing.Add(uint64(missing))
		r.Log.Error("eds: messages that were not settled are gone from the topic", "topic", r.queue, "missing", missing, "count", n)
	}
	if known == cursor.Settled && id == r.from {
		return false, nil // the service counts the start in
	}
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
	return known != cursor.Settled, nil
}

func (r *Reader) noteGap(id string) {
	if n := r.counters.gaps.Add(1); telling(n) {
		r.Log.Warn("eds: messages seem to be missing", "topic", r.queue, "message_id", id, "count", n)
	}
}

package edsv2

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// Stats are what a Transport has counted since it was made.
type Stats struct {
	// Skipped frames, by the reason for which they were passed over.
	Unreadable   uint64 // no JSON object
	Binary       uint64 // binary, and no JSON object
	UnknownType  uint64 // a frameType that this version does not know
	Unusable     uint64 // a malformed event without a receipt
	Oversize     uint64 // over MaxEventBytes and without a receipt
	StrayReplies uint64 // a confirmation of nothing that was sent

	// Malformed counts deliveries with an Err.
	Malformed uint64
	// NoReceipt counts events that could not be acknowledged.
	NoReceipt uint64
	// Pongs counts answers to pings.
	Pongs uint64

	// Confirmed counts acknowledgements that the service has confirmed,
	// ConfirmTime is how long that took them, added up, and Unconfirmed
	// counts those that it did not confirm within 10 seconds, although it
	// confirmed others on the same connection.
	Confirmed   uint64
	ConfirmTime time.Duration
	Unconfirmed uint64
}

// skipReason is why a frame was passed over.
type skipReason int

const (
	skipUnreadable skipReason = iota
	skipBinary
	skipUnknown
	skipMalformed
	skipOversize
	skipReply
	skipReasons
)

func (r skipReason) String() string {
	return [...]string{"unreadable", "binary", "unknown type", "malformed, without a receipt",
		"oversize, without a receipt", "reply to nothing sent"}[r]
}

type counters struct {
	skipped   [skipReasons]atomic.Uint64
	malformed atomic.Uint64
	noReceipt atomic.Uint64
	pongs     atomic.Uint64
}

// skip counts a frame that is passed over. Its content is not logged.
func (t *Transport) skip(r skipReason, s *session) {
	if n := t.counters.skipped[r].Add(1); telling(n) {
		t.Log.Warn("eds: frame skipped", "reason", r.String(), "bytes", int64(len(s.In))+s.Cut,
			"queue", t.queue, "count", n)
	}
}

func (t *Transport) noteNoReceipt(d *eds.Delivery) {
	if n := t.counters.noReceipt.Add(1); telling(n) {
		t.Log.Warn("eds: event without a receipt cannot be acknowledged", "event_id", d.Event.ID,
			"queue", t.queue, "count", n)
	}
}

// telling picks the 1st, 2nd, 4th, 8th... of what happens, so that a flood of
// bad frames is no flood of log lines.
func telling(n uint64) bool { return bits.OnesCount64(n) == 1 }

// Stats returns what was counted so far.
func (t *Transport) Stats() Stats {
	t.mu.Lock()
	st := t.past
	t.mu.Unlock()
	if t.link != nil {
		if s, ok := t.link.Session(); ok {
			st.add(s)
		}
	}
	c := &t.counters
	st.Unreadable = c.skipped[skipUnreadable].Load()
	st.Binary = c.skipped[skipBinary].Load()
	st.UnknownType = c.skipped[skipUnknown].Load()
	st.Unusable = c.skipped[skipMalformed].Load()
	st.Oversize = c.skipped[skipOversize].Load()
	st.StrayReplies = c.skipped[skipReply].Load()
	st.Malformed = c.malformed.Load()
	st.NoReceipt = c.noReceipt.Load()
	st.Pongs = c.pongs.Load()
	return st
}

func (st *Stats) add(s *session) {
	s.writing.Lock()
	defer s.writing.Unlock()
	st.Confirmed += s.acks.confirmed
	st.ConfirmTime += s.acks.took
	st.Unconfirmed += s.acks.missed
}

// account keeps the counts of a session that has ended.
func (t *Transport) account(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.past.add(s)
}

// Status tells how the connection is. It may be called at any time.
func (t *Transport) Status() eds.Status {
	if t.link == nil {
		return eds.Status{}
	}
	st := t.link.Status()
	if s, ok := t.link.Session(); ok {
		st.Unconfirmed = s.unconfirmed()
	}
	if at := t.lastEvent.Load(); at != 0 {
		st.LastEvent = time.Unix(0, at)
	}
	for i := range t.counters.skipped {
		st.Skipped += t.counters.skipped[i].Load()
	}
	return st
}

package spool

import (
	"encoding/binary"
	"time"
)

// state is what the file says of an event beside its record. It is kept
// apart, since a change would write the payload anew. An event that was never
// handed out has none.
type state struct {
	// attempts counts how often the event was handed out.
	attempts uint32
	// deaths counts the processes that ended while it was out.
	deaths uint32
	// out says that it is handed out.
	out bool
	// back is when it was given back, and pause for how long. Both, so that a
	// clock that was set back prolongs a pause by its own length at most.
	back  time.Time
	pause time.Duration
}

func (s state) encode() []byte {
	b := make([]byte, 0, 32)
	b = binary.AppendUvarint(b, uint64(s.attempts))
	b = binary.AppendUvarint(b, uint64(s.deaths))
	if s.out {
		return append(b, 1)
	}
	b = append(b, 0)
	if s.pause > 0 {
		b = binary.AppendVarint(b, s.back.UnixNano())
		b = binary.AppendVarint(b, int64(s.pause))
	}
	return b
}

// decodeState reads a state as far as it can be read. The first process after
// the one that had the event out counts that one's death.
func decodeState(b []byte) (s state) {
	r := fields(b)
	s.attempts, s.deaths = uint32(r.length()), uint32(r.length())
	if out := r.take(1); len(out) == 1 && out[0] == 1 {
		s.deaths++
		return s
	}
	back, pause := r.number(), r.number()
	if r != nil {
		s.back, s.pause = time.Unix(0, back), max(time.Duration(pause), 0)
	}
	return s
}

// left is how much of the pause is left.
func (s state) left(now time.Time) time.Duration {
	return min(max(s.pause-now.Sub(s.back), 0), s.pause)
}

package dedupe

import "time"

// Machine is the state machine as pure functions from a record to the next.
// A zero Retention means DefaultRetention.
//
// Times are durations since a moment that the store chooses and that every
// user of the record shares.
type Machine struct {
	// Retention is how long done is kept, and how long the attempts of an
	// unfinished event are remembered after its last lease ended.
	Retention time.Duration
}

// State is what a Record says of its event.
type State uint8

const (
	// Absent: nothing is known.
	Absent State = iota
	// InProgress: somebody claimed it. The lease may be over.
	InProgress
	// Free: it was released. Its attempts are remembered.
	Free
	// Finished: it is done.
	Finished
)

// Record is what a store knows of a key. The zero Record is absent.
type Record struct {
	State     State
	Result    Result // of a Finished record
	Attempt   int32
	Abandoned int32
	Token     Token         // of an InProgress record
	Until     time.Duration // end of the lease; of the retention when not InProgress
	Payload   uint64
}

// At returns the record as it is at now: absent once it may be forgotten.
func (m Machine) At(r Record, now time.Duration) Record {
	end := r.Until
	if r.State == InProgress {
		end += m.retention()
	}
	if r.State == Absent || now >= end {
		return Record{}
	}
	return r
}

// Claim answers a claim.
func (m Machine) Claim(r Record, now time.Duration, h Hold) (Record, Claim) {
	r = m.At(r, now)
	changed := r.Payload != 0 && h.Payload != 0 && r.Payload != h.Payload
	owned := r.State == InProgress && r.Token == h.Token
	switch {
	case r.State == Finished:
		return r, Claim{State: Done, Result: r.Result, Changed: changed}
	case r.State == InProgress && !owned && now < r.Until:
		return r, Claim{State: Busy, Attempt: int(r.Attempt), Abandoned: int(r.Abandoned), Wait: r.Until - now, Changed: changed}
	case owned: // the same run asks again: its first claim counts
	default:
		r.Attempt++
		if r.State == InProgress {
			r.Abandoned++
		}
	}
	r.State, r.Token, r.Until = InProgress, h.Token, now+h.lease()
	if h.Payload != 0 {
		r.Payload = h.Payload
	}
	return r, Claim{State: Acquired, Attempt: int(r.Attempt), Abandoned: int(r.Abandoned), Changed: changed}
}

// Commit makes the record done: success wins.
func (m Machine) Commit(r Record, now time.Duration, h Hold, result Result) (next Record, owned bool) {
	r = m.At(r, now)
	owned = r.State == InProgress && r.Token == h.Token
	return Record{State: Finished, Result: result, Until: now + m.retention(), Payload: h.Payload}, owned
}

// Release frees the record if h owns it.
func (m Machine) Release(r Record, now time.Duration, h Hold) (next Record, owned bool) {
	r = m.At(r, now)
	if r.State != InProgress || r.Token != h.Token {
		return r, false
	}
	r.State, r.Token, r.Until = Free, Token{}, now+m.retention()
	return r, true
}

// Renew starts the lease anew if h owns the record. A lease that is over can
// be renewed as long as nobody took over.
func (m Machine) Renew(r Record, now time.Duration, h Hold) (next Record, owned bool) {
	r = m.At(r, now)
	if r.State != InProgress || r.Token != h.Token {
		return r, false
	}
	r.Until = now + h.lease()
	return r, true
}

func (m Machine) retention() time.Duration {
	if m.Retention <= 0 {
		return DefaultRetention
	}
	return m.Retention
}

func (h Hold) lease() time.Duration {
	if h.Lease <= 0 {
		return DefaultLease
	}
	return h.Lease
}

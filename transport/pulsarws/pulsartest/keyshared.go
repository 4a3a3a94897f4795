package pulsartest

import (
	"slices"
)

// lane is the messages with one key on a Key_Shared subscription.
type lane struct {
	key     string
	owner   *member    // who was given the last one
	out     int        // messages that owner holds
	waiting []*message // by entry
	listed  bool       // in ready, or starved at a member
}

// lookAhead bounds how many messages of one subscription wait in lanes while
// others behind them are looked for (keySharedLookAheadMsgInReplayThreshold…).
const lookAhead = 20_000

// dispatchKeys gives out messages such that a key's messages go to one member,
// and none of them while an earlier one is with another member or due again.
func (sub *subscription) dispatchKeys() {
	for {
		progress := false
		for sub.waiting < lookAhead {
			m := sub.read()
			if m == nil {
				break
			}
			sub.enlane(m)
			progress = true
		}
		for len(sub.ready) > 0 {
			l := sub.ready[0]
			sub.ready = sub.ready[1:]
			l.listed = false
			progress = sub.runLane(l) || progress
		}
		if !progress {
			return
		}
	}
}

func (sub *subscription) enlane(m *message) {
	key := m.Key
	if key == "" {
		key = m.id // each is a key of its own
	}
	l := sub.keys[key]
	if l == nil {
		l = &lane{key: key}
		sub.keys[key] = l
	}
	at := len(l.waiting)
	for at > 0 && l.waiting[at-1].entry > m.entry {
		at--
	}
	l.waiting = slices.Insert(l.waiting, at, m)
	sub.waiting++
	sub.wake(l)
}

// wake has a lane looked at again.
func (sub *subscription) wake(l *lane) {
	if l.listed {
		return
	}
	if len(l.waiting) == 0 {
		if l.out == 0 {
			delete(sub.keys, l.key)
		}
		return
	}
	l.listed = true
	sub.ready = append(sub.ready, l)
}

// runLane gives out what it can of a lane.
func (sub *subscription) runLane(l *lane) (progress bool) {
	for len(l.waiting) > 0 {
		m := l.waiting[0]
		if sub.isAcked(m.entry) || sub.t.at(m.entry) == nil {
			l.waiting = l.waiting[1:]
			sub.waiting--
			continue
		}
		to := sub.pick(l.key)
		if l.out > 0 && l.owner != to {
			return progress // until the owner has acknowledged all
		}
		if to.permits <= 0 {
			l.listed = true
			to.starved = append(to.starved, l)
			return progress
		}
		l.waiting = l.waiting[1:]
		sub.waiting--
		sub.give(m, to, l)
		progress = true
	}
	sub.wake(l) // forgets it when it is done
	return progress
}

// feed has the lanes looked at that wait for permits of m.
func (sub *subscription) feed(m *member) {
	if m.permits <= 0 {
		return
	}
	n := min(m.permits, len(m.starved))
	for _, l := range m.starved[:n] {
		l.listed = false
		sub.wake(l)
	}
	m.starved = m.starved[n:]
}

// unstarve has all lanes looked at that wait for m.
func (sub *subscription) unstarve(m *member) {
	for _, l := range m.starved {
		l.listed = false
		sub.wake(l)
	}
	m.starved = nil
}

// pick returns the member for a key: the one with the highest score. A member
// that joins or leaves moves only its own keys.
func (sub *subscription) pick(key string) *member {
	h := hash(key)
	var best *member
	var high uint64
	for _, m := range sub.members {
		if score := mix(h ^ mix(uint64(m.age))); best == nil || score > high {
			best, high = m, score
		}
	}
	return best
}

// mix spreads x, as the last step of splitmix64 does.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// unlane returns what waits in lanes, when there is nobody left.
func (sub *subscription) unlane() {
	for _, l := range sub.keys {
		for _, m := range l.waiting {
			sub.back.add(m.entry)
		}
	}
	sub.keys, sub.ready, sub.waiting = nil, nil, 0
}

package edsv2

import (
	"hash/maphash"
	"time"
)

const (
	// replyAwaited is how long an acknowledgement counts as unconfirmed.
	replyAwaited = 10 * time.Second
	// maxUnconfirmed is how many of them are remembered.
	maxUnconfirmed = 4096
	// generation is how many sent receipts are remembered at least, so that
	// none is sent twice.
	generation = 4096
)

// ledger is what a session knows of the acknowledgements it sent. Its user
// guards it.
type ledger struct {
	seed      maphash.Seed
	new, old  map[uint64]struct{} // hashes of receipts that were sent
	sent      []sentAck           // a ring of those to be confirmed, in the order sent
	head, n   int
	open      int  // of them not confirmed
	confirms  bool // the service has confirmed one
	confirmed uint64
	took      time.Duration // sum over the confirmed
	missed    uint64        // given up
}

type sentAck struct {
	receipt string // empty once it was confirmed
	at      time.Time
}

func newLedger() ledger {
	return ledger{seed: maphash.MakeSeed(), new: map[uint64]struct{}{}}
}

// enter notes that receipt goes out; false when it went out before.
func (l *ledger) enter(receipt string, now time.Time) bool {
	h := maphash.String(l.seed, receipt)
	if l.has(h) {
		return false
	}
	if len(l.new) >= generation {
		// The elder generation's map is used again.
		l.old, l.new = l.new, l.old
		if l.new == nil {
			l.new = make(map[uint64]struct{}, generation)
		}
		clear(l.new)
	}
	l.new[h] = struct{}{}

	l.expire(now)
	if l.n == len(l.sent) && !l.grow() {
		l.drop()
	}
	l.sent[(l.head+l.n)%len(l.sent)] = sentAck{receipt, now}
	l.n++
	l.open++
	return true
}

func (l *ledger) has(h uint64) bool {
	if _, ok := l.new[h]; ok {
		return true
	}
	_, ok := l.old[h]
	return ok
}

// reply notes a confirmation; false when nothing such was sent.
func (l *ledger) reply(receipt []byte, now time.Time) bool {
	l.confirms = true
	l.expire(now)
	// Confirmations come in the order of the acknowledgements or nearly so:
	// the first one looked at is the one.
	for i := range l.n {
		a := &l.sent[(l.head+i)%len(l.sent)]
		if a.receipt == "" || a.receipt != string(receipt) {
			continue
		}
		l.confirmed++
		l.took += now.Sub(a.at)
		*a = sentAck{}
		l.open--
		for l.n > 0 && l.sent[l.head].receipt == "" {
			l.head = (l.head + 1) % len(l.sent)
			l.n--
		}
		return true
	}
	return l.has(maphash.Bytes(l.seed, receipt))
}

// expire gives up what has waited for too long.
func (l *ledger) expire(now time.Time) {
	for l.n > 0 && now.Sub(l.sent[l.head].at) >= replyAwaited {
		l.drop()
	}
}

func (l *ledger) drop() {
	if a := &l.sent[l.head]; a.receipt != "" {
		*a = sentAck{}
		l.open--
		if l.confirms {
			l.missed++
		}
	}
	l.head = (l.head + 1) % len(l.sent)
	l.n--
}

func (l *ledger) grow() bool {
	if len(l.sent) >= maxUnconfirmed {
		return false
	}
	bigger := make([]sentAck, max(64, 2*len(l.sent)))
	for i := range l.n {
		bigger[i] = l.sent[(l.head+i)%len(l.sent)]
	}
	l.sent, l.head = bigger, 0
	return true
}

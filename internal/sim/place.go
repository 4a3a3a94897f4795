package sim

import (
	"encoding/base64"
	"encoding/binary"
)

// place is where a message lies in its topic, read out of its id: the fields
// ledgerId and entryId of MessageIdData (Pulsar's PulsarApi.proto). It is not
// taken from the code under test, whose positions are judged by it.
type place struct{ ledger, entry int64 }

func (p place) before(q place) bool {
	return p.ledger < q.ledger || p.ledger == q.ledger && p.entry < q.entry
}

// placeOf reads an id, whose fields are all numbers.
func placeOf(id string) (p place, ok bool) {
	b, err := base64.StdEncoding.DecodeString(id)
	if err != nil || id == "" {
		return p, false
	}
	for len(b) > 0 {
		field, n := binary.Uvarint(b)
		if n <= 0 {
			return p, false
		}
		value, m := binary.Uvarint(b[n:])
		if m <= 0 || field&7 != 0 {
			return p, false
		}
		switch field >> 3 {
		case 1:
			p.ledger = int64(value)
		case 2:
			p.entry = int64(value) // -1 is before the first
		}
		b = b[n+m:]
	}
	return p, true
}

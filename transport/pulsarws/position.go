package pulsarws

import (
	"encoding/base64"
	"encoding/binary"
	"math"
)

// place is where a message lies, read out of its id, which is Pulsar's
// protobuf message MessageIdData in base64. It serves to notice gaps and
// jumps; what is sent back to the service is the id as it came.
type place struct {
	ledger, entry    int64
	partition        int64 // -1 for none
	batch, batchSize int64 // of the message in its entry; -1 and 0 for none
	known            bool
}

// placeOf reads an id; the place is not known when it is something else.
func placeOf(id string) place {
	var buf [64]byte
	b, err := base64.StdEncoding.AppendDecode(buf[:0], []byte(id))
	if err != nil {
		return place{}
	}
	p := place{ledger: -1, entry: -1, partition: -1, batch: -1}
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return place{}
		}
		b = b[n:]
		switch tag & 7 {
		case 0: // varint
			v, n := binary.Uvarint(b)
			if n <= 0 {
				return place{}
			}
			b = b[n:]
			switch tag >> 3 {
			case 1:
				p.ledger = int64(v)
			case 2:
				p.entry = int64(v)
			case 3:
				p.partition = int64(int32(v))
			case 4:
				p.batch = int64(int32(v))
			case 6:
				p.batchSize = int64(int32(v))
			}
		case 2: // of a known length
			v, n := binary.Uvarint(b)
			if n <= 0 || v > uint64(len(b)-n) {
				return place{}
			}
			b = b[n+int(v):]
		default:
			return place{}
		}
	}
	p.known = p.ledger >= 0 && p.entry >= 0
	return p
}

// step says how q follows p, of which each is the place of a message and q
// came next.
func (p place) step(q place) step {
	switch {
	case !p.known || !q.known, p.partition != q.partition:
		return onward // the one says nothing of the other
	case q.ledger < p.ledger,
		q.ledger == p.ledger && q.entry < p.entry,
		q.ledger == p.ledger && q.entry == p.entry && q.batch <= p.batch:
		return back
	case q.ledger == p.ledger && q.entry > p.entry+1,
		// A ledger begins with the entry 0. Of whole ledgers that are gone
		// nothing can be seen.
		q.ledger > p.ledger && q.entry > 0:
		return gap
	}
	return onward
}

type step uint8

const (
	onward step = iota
	back        // to what came before
	gap         // over what did not come
)

// before returns the id of the place before p, whether or not there is a
// message: to begin after it is to begin with p.
func (p place) before() string {
	if p.batch > 0 {
		p.batch--
	} else {
		p.entry-- // -1 is before the first of a ledger
		// All of that entry, which may be a batch: without an index Pulsar
		// begins with the first of the batch.
		p.batch, p.batchSize = math.MaxInt32, 0
	}
	var b []byte
	for i, v := range [...]int64{p.ledger, p.entry, p.partition, p.batch} {
		b = binary.AppendUvarint(append(b, byte(i+1)<<3), uint64(v))
	}
	if p.batchSize > 0 {
		b = binary.AppendUvarint(append(b, 6<<3), uint64(p.batchSize))
	}
	return base64.StdEncoding.EncodeToString(b)
}

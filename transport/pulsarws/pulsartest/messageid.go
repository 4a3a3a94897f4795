package pulsartest

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// messageID is Pulsar's MessageIdData (PulsarApi.proto), as far as the
// WebSocket service writes it.
type messageID struct {
	ledger, entry         int64
	partition             int // -1 for none
	batchIndex, batchSize int // -1 and 0 for a message of its own
}

// Fields of MessageIdData.
const (
	fieldLedger     = 1
	fieldEntry      = 2
	fieldPartition  = 3
	fieldBatchIndex = 4
	fieldBatchSize  = 6
)

// String is the text under which clients know the message. A message without
// a batch has a batch size of 0 in it: MessageIdImpl.toByteArray writes that.
func (id messageID) String() string {
	var b []byte
	number := func(field int, value int64) {
		b = append(b, byte(field<<3))
		b = binary.AppendUvarint(b, uint64(value))
	}
	number(fieldLedger, id.ledger)
	number(fieldEntry, id.entry)
	if id.partition >= 0 {
		number(fieldPartition, int64(id.partition))
	}
	if id.batchIndex >= 0 {
		number(fieldBatchIndex, int64(id.batchIndex))
	}
	number(fieldBatchSize, int64(id.batchSize))
	return base64.StdEncoding.EncodeToString(b)
}

var (
	// errBase64 is what Java's decoder throws, in the server's handler.
	errBase64 = errors.New("Illegal base64 character")
	// errNoID stands for bytes that are no MessageIdData.
	errNoID = errors.New("not a message id")
)

// parseID reads a message id in base64. Missing padding is accepted, as Java's
// decoder does; line breaks, which Go's decoder skips, are not.
func parseID(text string) (messageID, error) {
	if strings.ContainsAny(text, "\r\n") {
		return messageID{}, errBase64
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		b, err = base64.RawStdEncoding.DecodeString(text)
	}
	if err != nil {
		return messageID{}, errBase64
	}
	return readID(b)
}

func readID(b []byte) (messageID, error) {
	id := messageID{partition: -1, batchIndex: -1}
	var seen int
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return id, errNoID
		}
		b = b[n:]
		switch tag & 7 {
		case 0:
			v, n := binary.Uvarint(b)
			if n <= 0 {
				return id, errNoID
			}
			b = b[n:]
			switch tag >> 3 {
			case fieldLedger:
				id.ledger, seen = int64(v), seen|1
			case fieldEntry:
				id.entry, seen = int64(v), seen|2
			case fieldPartition:
				id.partition = int(int32(v))
			case fieldBatchIndex:
				id.batchIndex = int(int32(v))
			case fieldBatchSize:
				id.batchSize = int(int32(v))
			}
		case 2:
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return id, errNoID
			}
			b = b[n+int(size):]
		case 1, 5:
			size := 8
			if tag&7 == 5 {
				size = 4
			}
			if len(b) < size {
				return id, errNoID
			}
			b = b[size:]
		default:
			return id, errNoID
		}
	}
	if seen != 3 { // both are required
		return id, errNoID
	}
	return id, nil
}

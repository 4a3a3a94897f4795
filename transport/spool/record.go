package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// A record is a version, the CRC-32C of what follows, and then the event's
// fields, each string after its length. What an overview needs comes first.
const recordVersion = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const recordHead = 1 + crc32.Size

// encode makes a record of an event.
func encode(e *eds.Event, attributes map[string]string, recorded time.Time) ([]byte, error) {
	size := recordHead + 64 + len(e.Type) + len(e.ID) + len(e.Source) + len(e.Queue) + len(e.Payload)
	for name, value := range attributes {
		size += 8 + len(name) + len(value)
	}
	b := make([]byte, recordHead, size)
	b[0] = recordVersion
	b = appendString(b, e.Type)
	b = binary.AppendVarint(b, recorded.UnixNano())
	b = appendString(b, e.ID)
	b = appendString(b, e.Source)
	b = appendString(b, e.Queue)
	var at []byte
	if !e.Time.IsZero() {
		var err error
		if at, err = e.Time.MarshalBinary(); err != nil {
			return nil, fmt.Errorf("time %v cannot be recorded: %w", e.Time, err)
		}
	}
	b = appendString(b, at)
	b = appendPresent(b, e.Payload != nil, len(e.Payload))
	b = append(b, e.Payload...)
	b = appendPresent(b, attributes != nil, len(attributes))
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		b = appendString(appendString(b, name), attributes[name])
	}
	binary.BigEndian.PutUint32(b[1:], crc32.Checksum(b[recordHead:], castagnoli))
	return b, nil
}

func appendString[S ~string | ~[]byte](b []byte, s S) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendPresent appends a length that tells nothing from empty.
func appendPresent(b []byte, present bool, n int) []byte {
	if !present {
		return binary.AppendUvarint(b, 0)
	}
	return binary.AppendUvarint(b, uint64(n)+1)
}

// Why a record cannot be read.
var (
	errRecordVersion  = errors.New("it was written by a newer version")
	errRecordChecksum = errors.New("its checksum is wrong")
	errRecordForm     = errors.New("it is cut off or garbled")
)

// decode makes an event of a record, of which it keeps nothing.
func decode(record []byte) (e eds.Event, recorded time.Time, err error) {
	if len(record) < recordHead {
		return e, recorded, errRecordForm
	}
	if record[0] != recordVersion {
		return e, recorded, errRecordVersion
	}
	if crc32.Checksum(record[recordHead:], castagnoli) != binary.BigEndian.Uint32(record[1:]) {
		return e, recorded, errRecordChecksum
	}
	r := fields(record[recordHead:])
	e.Type = string(r.bytes())
	recorded = time.Unix(0, r.number())
	e.ID, e.Source, e.Queue = string(r.bytes()), string(r.bytes()), string(r.bytes())
	if at := r.bytes(); len(at) > 0 && e.Time.UnmarshalBinary(at) != nil {
		return eds.Event{}, recorded, errRecordForm
	}
	if n, present := r.present(); present {
		e.Payload = append([]byte{}, r.take(n)...)
	}
	if n, present := r.present(); present {
		e.Attributes = make(map[string]string, min(n, uint64(len(r))))
		for ; n > 0 && r != nil; n-- {
			name := string(r.bytes())
			e.Attributes[name] = string(r.bytes())
		}
	}
	if r == nil || len(r) > 0 {
		return eds.Event{}, recorded, errRecordForm
	}
	return e, recorded, nil
}

// head reads what an overview needs, unchecked.
func head(record []byte) (kind string, recorded time.Time) {
	if len(record) < recordHead || record[0] != recordVersion {
		return "", recorded
	}
	r := fields(record[recordHead:])
	kind = string(r.bytes())
	if at := r.number(); r != nil {
		recorded = time.Unix(0, at)
	}
	return kind, recorded
}

// fields is what is left of a record; nil once something did not fit.
type fields []byte

func (r *fields) length() uint64 {
	v, n := binary.Uvarint(*r)
	if n <= 0 {
		*r = nil
		return 0
	}
	*r = (*r)[n:]
	return v
}

func (r *fields) number() int64 {
	v, n := binary.Varint(*r)
	if n <= 0 {
		*r = nil
		return 0
	}
	*r = (*r)[n:]
	return v
}

func (r *fields) take(n uint64) []byte {
	if *r == nil || n > uint64(len(*r)) {
		*r = nil
		return nil
	}
	b := (*r)[:n:n]
	*r = (*r)[n:]
	return b
}

func (r *fields) bytes() []byte { return r.take(r.length()) }

func (r *fields) present() (n uint64, present bool) {
	n = r.length()
	if n == 0 {
		return 0, false
	}
	return n - 1, true
}

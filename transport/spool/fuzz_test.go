package spool

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// FuzzRecord reads any bytes as a record: there is an event or an error, and an
// event that was read is written as it was.
func FuzzRecord(f *testing.F) {
	for _, e := range []*eds.Event{event("1"), {}, {Time: time.Unix(1, 2).In(time.FixedZone("", 3600)), Payload: []byte{}, Attributes: map[string]string{"a": "b", "": ""}}} {
		record, err := encode(e, e.Attributes, time.Unix(0, 5))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(record[recordHead:])
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, body []byte) {
		record := append([]byte{recordVersion, 0, 0, 0, 0}, body...)
		binary.BigEndian.PutUint32(record[1:], crc32.Checksum(body, castagnoli))
		head(record)
		e, recorded, err := decode(record)
		if err != nil {
			return
		}
		if kind, at := head(record); kind != e.Type || !at.Equal(recorded) {
			t.Errorf("the head has %q and %v, the event %q and %v", kind, at, e.Type, recorded)
		}
		once, err := encode(&e, e.Attributes, recorded)
		if err != nil {
			t.Fatalf("%+v was read, and cannot be written: %v", e, err)
		}
		again, at, err := decode(once)
		if err != nil || !at.Equal(recorded) {
			t.Fatalf("%+v was written, and cannot be read: %v", e, err)
		}
		if twice, err := encode(&again, again.Attributes, at); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%q became %q, %v", once, twice, err)
		}
		flipped := bytes.Clone(record)
		flipped[len(flipped)-1] ^= 1
		if _, _, err := decode(flipped); err == nil {
			t.Error("a bit has turned, and nobody notices")
		}
	})
}

func FuzzState(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	f.Add(state{attempts: 3, deaths: 1, out: true}.encode())
	f.Add(state{attempts: 3, back: now, pause: time.Hour}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		st := decodeState(b)
		if left := st.left(now); left < 0 || left > st.pause {
			t.Errorf("%v left of %v", left, st.pause)
		}
		again := decodeState(st.encode())
		again.back = again.back.In(st.back.Location())
		if again != st && st.pause > 0 {
			t.Errorf("%+v became %+v", st, again)
		}
	})
}

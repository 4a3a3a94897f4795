package edsv2

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// The frame types of the protocol that a server sends.
const (
	frameEvent    = "EVENT"
	frameAckReply = "ACK_EVENT_REPLY"
	framePong     = "PONG"
)

const (
	// maxID is how long an event's id or type may be. The vendor shows UUIDs
	// and short words; a limit keeps keys in stores and labels small.
	maxID = 256
	// maxReceipt is how long a receipt may be. It is opaque, so it is wider:
	// receipts of queue services, such as Amazon SQS, have up to 1024
	// characters.
	maxReceipt = 2048
)

// frame is one message, as far as its members are known. All slices point
// into the message.
type frame struct {
	frameType field
	payload   field

	eventID      field
	eventType    field
	receiptID    field
	eventTs      field
	queueName    field
	eventPayload field

	seen      uint16 // one bit for each known member
	twice     string // a member that was there twice
	wrongCase string // a member that was there in another case
	tooDeep   bool
	badUTF8   bool
	receipts  bool // there was more than one receipt
}

// field is a value as it was written.
type field struct {
	raw     []byte
	kind    kind
	escaped bool
}

type kind uint8

const (
	absent kind = iota
	null
	text
	scalar // a number or a boolean
	composite
)

func fieldOf(raw []byte, escaped bool) field {
	switch raw[0] {
	case '"':
		return field{raw, text, escaped}
	case 'n':
		return field{raw, null, false}
	case '{', '[':
		return field{raw, composite, false}
	}
	return field{raw, scalar, false}
}

var (
	envelopeNames = []string{"frameType", "framePayload"}
	payloadNames  = []string{"eventId", "eventType", "receiptId", "eventTs", "queueName", "eventPayload"}
)

// member returns where to put the value of a name, nil when it means nothing
// at this level. Go's encoding/json takes the last of two members with one
// name and does not mind the case; somebody else takes the first. So that
// nobody can be made to acknowledge one event and handle another, such frames
// are refused.
func (f *frame) member(lv level, name []byte, escaped bool) *field {
	if escaped {
		var ok bool
		if name, ok = unescape(make([]byte, 0, len(name)), name); !ok {
			return nil
		}
	}
	var (
		slot *field
		bit  uint16
	)
	if lv == envelope {
		switch string(name) {
		case "frameType":
			slot, bit = &f.frameType, 1<<0
		case "framePayload":
			slot, bit = &f.payload, 1<<1
		}
	} else {
		switch string(name) {
		case "eventId":
			slot, bit = &f.eventID, 1<<2
		case "eventType":
			slot, bit = &f.eventType, 1<<3
		case "receiptId":
			slot, bit = &f.receiptID, 1<<4
		case "eventTs":
			slot, bit = &f.eventTs, 1<<5
		case "queueName":
			slot, bit = &f.queueName, 1<<6
		case "eventPayload":
			slot, bit = &f.eventPayload, 1<<7
		}
	}
	if slot == nil {
		f.noteCase(lv, name)
		return nil
	}
	if f.seen&bit != 0 {
		f.twice = string(name)
		f.receipts = f.receipts || slot == &f.receiptID
	}
	f.seen |= bit
	return slot
}

func (f *frame) noteCase(lv level, name []byte) {
	known := envelopeNames
	if lv == payload {
		known = payloadNames
	}
	for _, k := range known {
		// A letter may fold to one of more bytes.
		if len(name) >= len(k) && len(name) <= 3*len(k) && bytes.EqualFold(name, []byte(k)) {
			f.wrongCase = k
		}
	}
}

// fault says why the frame, an EVENT, cannot be read as an event; nil when it
// can. A missing receipt is no fault.
func (f *frame) fault(queue string) error {
	switch {
	case f.badUTF8:
		return errors.New("not UTF-8")
	case f.tooDeep:
		return fmt.Errorf("nested deeper than %d", maxDepth)
	case f.twice != "":
		return fmt.Errorf("%s is there more than once", f.twice)
	case f.wrongCase != "":
		return fmt.Errorf("%s is written in another case", f.wrongCase)
	case f.payload.kind != composite || f.payload.raw[0] != '{':
		return errors.New("framePayload is not an object")
	}
	if err := f.eventID.fault("eventId"); err != nil {
		return err
	}
	if err := f.eventType.fault("eventType"); err != nil {
		return err
	}
	switch f.queueName.kind {
	case absent, null:
		return nil
	case text:
		if f.queueName.is(queue) {
			return nil
		}
	}
	return errors.New("queueName is not the queue that was subscribed to")
}

// fault says why the field is no identity.
func (v *field) fault(name string) error {
	switch {
	case v.kind == absent:
		return fmt.Errorf("%s is missing", name)
	case v.kind == null:
		return fmt.Errorf("%s is null", name)
	case v.kind != text:
		return fmt.Errorf("%s is not a string", name)
	case len(v.quoted()) == 0:
		return fmt.Errorf("%s is empty", name)
	}
	n := len(v.quoted())
	if v.escaped {
		plain, ok := unescape(nil, v.quoted())
		if !ok {
			return fmt.Errorf("%s has half a surrogate pair", name)
		}
		n = len(plain)
	}
	if n > maxID {
		return fmt.Errorf("%s is longer than %d bytes", name, maxID)
	}
	return nil
}

// is tells whether the field is the string s.
func (v *field) is(s string) bool {
	if v.kind != text {
		return false
	}
	if !v.escaped {
		return string(v.quoted()) == s
	}
	plain, ok := unescape(nil, v.quoted())
	return ok && string(plain) == s
}

// quoted returns what lies between the quotes of a field of kind text.
func (v *field) quoted() []byte { return v.raw[1 : len(v.raw)-1] }

// receipt returns the receipt, appended to dst: nothing when there is none
// that could be sent back.
func (f *frame) receipt(dst []byte) []byte {
	v := &f.receiptID
	if v.kind != text || f.receipts || len(v.raw) > 6*maxReceipt {
		return dst
	}
	out, ok := v.append(dst)
	if !ok || len(out)-len(dst) > maxReceipt || f.badUTF8 && !utf8.Valid(out[len(dst):]) {
		return dst
	}
	return out
}

// append appends the string that the field is.
func (v *field) append(dst []byte) ([]byte, bool) {
	if v.escaped {
		return unescape(dst, v.quoted())
	}
	return append(dst, v.quoted()...), true
}

// unescape appends the string of which raw is the JSON form; false when raw
// has half a surrogate pair, which no string can hold. The scanner has
// checked that raw is valid.
func unescape(dst, raw []byte) ([]byte, bool) {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '\\' {
			dst = append(dst, c)
			continue
		}
		i++
		switch c := raw[i]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(raw[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				if len(raw) < i+7 || raw[i+1] != '\\' || raw[i+2] != 'u' {
					return dst, false
				}
				low, _ := hex4(raw[i+3:])
				if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
					return dst, false
				}
				i += 6
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
	}
	return dst, true
}

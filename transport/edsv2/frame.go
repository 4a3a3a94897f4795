package edsv2

import (
	"bytes"
	"errors"
	"fmt"
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

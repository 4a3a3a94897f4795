package edsv2

import (
	"bytes"
	"fmt"
	"time"

	"github.com/coder/websocket"
	"github.com/eventdelivery/eds-go/eds"
)

const (
	// keptHead is how much of a frame over the limit is handed on.
	keptHead = 64 << 10
	// maxTypes is how many event types are remembered by a transport. Others
	// cost an allocation for each event.
	maxTypes = 1024
)

// open turns the message that s has read into a delivery; nil when it is none.
func (t *Transport) open(s *session) *eds.Delivery {
	f := &s.frame
	err := f.scan(s.In)
	if s.Cut > 0 {
		// Its end is missing, so that err says nothing.
		return t.oversize(s)
	}
	if err != nil {
		if s.Kind == websocket.MessageBinary {
			t.skip(skipBinary, s)
		} else {
			t.skip(skipUnreadable, s)
		}
		return nil
	}
	switch {
	case f.frameType.is(frameEvent):
		if err := f.fault(t.queue); err != nil {
			return t.malformed(s, err.Error())
		}
		return t.event(s)
	case f.frameType.is(frameAckReply):
		s.text = f.receipt(s.text[:0])
		if !s.confirmed(s.text) {
			t.skip(skipReply, s)
		}
	case f.frameType.is(framePong):
		// It has proved the connection alive by coming in.
		t.counters.pongs.Add(1)
	case f.frameType.kind == text:
		t.skip(skipUnknown, s)
	default:
		// Whatever it is, it has no readable type and perhaps a receipt.
		return t.malformed(s, "frameType is not a string, or missing")
	}
	return nil
}

func (t *Transport) event(s *session) *eds.Delivery {
	f := &s.frame
	// The id and the receipt share one allocation.
	both, _ := f.eventID.append(s.text[:0])
	n := len(both)
	both = f.receipt(both)
	s.text = both
	str := string(both)

	d := t.delivery(s, str[n:])
	d.Event.ID = str[:n]
	d.Event.Type = t.typeName(s)
	if f.eventTs.kind == text {
		// Of a time that cannot be read nothing is kept: it is no identity.
		at := f.eventTs.quoted()
		if f.eventTs.escaped {
			at, _ = unescape(nil, at)
		}
		if err := d.Event.Time.UnmarshalText(at); err != nil {
			d.Event.Time = time.Time{}
		}
	}
	if f.eventPayload.kind != absent {
		d.Event.Payload = bytes.Clone(f.eventPayload.raw)
	}
	if d.Receipt == "" {
		t.noteNoReceipt(d)
	}
	return d
}

// malformed returns a delivery that cannot be read but acknowledged; nil when
// it cannot be acknowledged either.
func (t *Transport) malformed(s *session, reason string) *eds.Delivery {
	s.text = s.frame.receipt(s.text[:0])
	if len(s.text) == 0 {
		t.skip(skipMalformed, s)
		return nil
	}
	d := t.delivery(s, string(s.text))
	head := s.In
	if s.Cut > 0 {
		head = head[:min(len(head), keptHead)]
	}
	d.Event.Payload = bytes.Clone(head)
	d.Err = eds.Permanent(&MalformedError{Reason: reason, Size: int64(len(s.In)) + s.Cut})
	t.counters.malformed.Add(1)
	return d
}

func (t *Transport) oversize(s *session) *eds.Delivery {
	if f := &s.frame; f.frameType.kind != absent && !f.frameType.is(frameEvent) {
		t.skip(skipOversize, s)
		return nil
	}
	return t.malformed(s, fmt.Sprintf("longer than %d bytes", t.MaxMessageBytes))
}

func (t *Transport) delivery(s *session, receipt string) *eds.Delivery {
	d := &eds.Delivery{Receipt: receipt, Received: s.Conn.ReadAt(), Tag: s}
	d.Event.Source, d.Event.Queue = t.source, t.queue
	if t.visibility > 0 {
		d.Deadline = d.Received.Add(t.visibility)
	}
	t.lastEvent.Store(d.Received.UnixNano())
	return d
}

// typeName returns the event's type. A service sends few, so they are shared.
func (t *Transport) typeName(s *session) string {
	raw := s.frame.eventType.quoted()
	if s.frame.eventType.escaped {
		raw, _ = unescape(nil, raw)
	}
	if name, ok := t.types[string(raw)]; ok {
		return name
	}
	name := string(raw)
	if len(t.types) < maxTypes {
		t.types[name] = name
	}
	return name
}

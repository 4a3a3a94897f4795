package pulsarws

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/bits"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/wslink"
)

// keptHead is how much of a message over the limit is handed on.
const keptHead = 64 << 10

// receiver is what a Consumer and a Reader have in common.
type receiver struct {
	settings
	invalid  error // what is wrong with the settings
	link     *wslink.Link[*session]
	queue    string
	source   string
	fleeting fleeting

	got     *eds.Delivery // of the goroutine in Receive
	mapping Message       // of the goroutine in Receive, for the mapper

	lastEvent atomic.Int64 // Unix nanoseconds; 0 for never
	counters  counters
}

// delivered is a Delivery with what is needed to settle it. It is its own
// Delivery's Tag.
type delivered struct {
	eds.Delivery
	session  *session
	answered atomic.Bool // or to be answered no more
}

// sourceOf tells the topic's events from all others.
func sourceOf(u *url.URL, t topic) string {
	return "pulsar://" + u.Host + "/" + t.tenant + "/" + t.namespace + "/" + segment(t.name)
}

// open turns the message that s has read into a delivery; nil when it is none.
func (r *receiver) open(s *session) *delivered {
	e := &s.envelope
	err := e.scan(s.In)
	switch {
	case e.control:
		// Whatever else is in it, it must not be acknowledged.
		r.skip(skipControl, s)
		return nil
	case s.Cut > 0:
		// Its end is missing, so that err says nothing.
		return r.malformed(s, fmt.Sprintf("longer than %d bytes", r.MaxMessageBytes))
	case err != nil && e.id == "":
		r.skip(skipUnreadable, s)
		return nil
	case err != nil:
		return r.malformed(s, err.Error())
	case !e.isMessage():
		r.skip(skipControl, s)
		return nil
	}
	body, err := e.body()
	if err != nil {
		return r.malformed(s, err.Error())
	}
	if e.id == "" {
		return r.malformed(s, "messageId is missing or null")
	}
	d := r.delivery(s)
	d.Event.ID = r.fleeting.id(e.id)
	d.Event.Payload = body
	if e.key != "" {
		if e.properties == nil {
			e.properties = make(map[string]string, 1)
		}
		e.properties[attrKey] = e.key
	}
	d.Event.Attributes = e.properties
	if d.Event.Time = e.happened; e.happened.IsZero() {
		d.Event.Time = e.published
	}
	r.mapping = Message{
		ID: e.id, Payload: body, Properties: e.properties,
		PublishTime: e.published, EventTime: e.happened, Key: e.key,
		RedeliveryCount: e.redelivery, Encryption: bytes.Clone(e.encryption),
	}
	if err := r.mapper(&r.mapping, &d.Event); err != nil {
		d.Err = eds.Permanent(err)
		r.counters.malformed.Add(1)
	} else if d.Event.ID == "" || d.Event.Type == "" {
		d.Err = eds.Permanent(&MalformedError{Reason: "the mapper gave it no id or no type", Size: int64(len(s.In))})
		r.counters.malformed.Add(1)
	}
	return d
}

// malformed returns a delivery that cannot be read, and without an id not be
// settled either.
func (r *receiver) malformed(s *session, reason string) *delivered {
	d := r.delivery(s)
	head := s.In
	if s.Cut > 0 {
		head = head[:min(len(head), keptHead)]
	}
	d.Event.Payload = bytes.Clone(head)
	d.Err = eds.Permanent(&MalformedError{Reason: reason, Size: int64(len(s.In)) + s.Cut})
	r.counters.malformed.Add(1)
	return d
}

func (r *receiver) delivery(s *session) *delivered {
	d := &delivered{session: s}
	d.Receipt, d.Received, d.Tag = s.envelope.id, s.Conn.ReadAt(), d
	d.Event.Source, d.Event.Queue = r.source, r.queue
	r.lastEvent.Store(d.Received.UnixNano())
	if d.Receipt == "" {
		s.unanswerable++
	}
	return d
}

// Stats are what a Consumer or a Reader has counted since it was made.
type Stats struct {
	// Skipped WebSocket messages, by the reason for which they were passed
	// over.
	Unreadable uint64 // no JSON object
	Control    uint64 // no message of the topic, such as an answer about its end

	// Malformed counts deliveries with an Err.
	Malformed uint64
	// Gaps counts the places where messages seem to be missing between two
	// that were read, Missing those that were read, not settled, and gone when
	// they were to come again, and JumpsBack the places where messages came
	// again that were settled before. Readers only.
	Gaps, Missing, JumpsBack uint64
}

type counters struct {
	skipped   [skipReasons]atomic.Uint64
	malformed atomic.Uint64
	gaps      atomic.Uint64
	missing   atomic.Uint64
	jumpsBack atomic.Uint64
}

// skipReason is why a WebSocket message was passed over.
type skipReason int

const (
	skipUnreadable skipReason = iota
	skipControl
	skipReasons
)

func (r skipReason) String() string {
	return [...]string{"unreadable", "control message"}[r]
}

// skip counts a message that is passed over. Its content is not logged.
func (r *receiver) skip(reason skipReason, s *session) {
	if reason != skipControl {
		// The service may be waiting for an answer that cannot be given.
		s.unanswerable++
	}
	if n := r.counters.skipped[reason].Add(1); telling(n) {
		r.Log.Warn("eds: message skipped", "reason", reason.String(), "bytes", int64(len(s.In))+s.Cut,
			r.link.Kind, r.link.Name, "count", n)
	}
}

// telling picks the 1st, 2nd, 4th, 8th... of what happens, so that a flood of
// bad messages is no flood of log lines.
func telling(n uint64) bool { return bits.OnesCount64(n) == 1 }

// Stats returns what was counted so far.
func (r *receiver) Stats() Stats {
	c := &r.counters
	return Stats{
		Unreadable: c.skipped[skipUnreadable].Load(),
		Control:    c.skipped[skipControl].Load(),
		Malformed:  c.malformed.Load(),
		Gaps:       c.gaps.Load(),
		Missing:    c.missing.Load(),
		JumpsBack:  c.jumpsBack.Load(),
	}
}

// Status tells how the connection is. It may be called at any time.
func (r *receiver) Status() eds.Status {
	if r.link == nil {
		return eds.Status{}
	}
	st := r.link.Status()
	if at := r.lastEvent.Load(); at != 0 {
		st.LastEvent = time.Unix(0, at)
	}
	for i := range r.counters.skipped {
		st.Skipped += r.counters.skipped[i].Load()
	}
	st.Gaps = r.counters.gaps.Load() + r.counters.missing.Load()
	st.JumpsBack = r.counters.jumpsBack.Load()
	return st
}

// Validate tells what is wrong with the settings: joined *eds.ConfigErrors, one
// for each, or nil. It dials nothing. Test for one with errors.As.
func (r *receiver) Validate() error { return r.invalid }

// logger is what to log to.
func (s *settings) logger() *slog.Logger {
	if s.Log == nil {
		return slog.Default()
	}
	return s.Log
}

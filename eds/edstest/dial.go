package edstest

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"time"
)

// DialAction is what a fault does to a dial. A Breakage is one too.
type DialAction interface {
	fmt.Stringer
	dial(*dialing)
}

// dialing is what the faults make of a dial.
type dialing struct {
	delay  time.Duration
	refuse *Refusal
	answer []byte // instead of any HTTP of ours
	first  *Breakage
}

func (d *dialing) over() bool { return d.refuse != nil || d.answer != nil || d.first != nil }

// Refusal is made by Refuse.
type Refusal struct {
	status int
	header http.Header
}

// Refuse answers a dial with an HTTP status instead of the upgrade.
func Refuse(status int) Refusal { return Refusal{status: status} }

// With adds a header to the answer, such as Retry-After or Location.
func (r Refusal) With(name, value string) Refusal {
	r.header = r.header.Clone()
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header.Add(name, value)
	return r
}

// String names the refusal, as the history does.
func (r Refusal) String() string  { return fmt.Sprintf("refuse %d", r.status) }
func (r Refusal) dial(d *dialing) { d.refuse = &r }

// RawAnswer is made by Answer.
type RawAnswer struct{ data []byte }

// Answer writes data as the answer to a dial, be it HTTP or not, and drops the
// connection.
func Answer(data []byte) RawAnswer { return RawAnswer{bytes.Clone(data)} }

// String names the action, as the history does.
func (RawAnswer) String() string    { return "answer" }
func (a RawAnswer) dial(d *dialing) { d.answer = a.data }

// disturbDial applies the faults of a dial and tells whether one of them was
// its end.
func (s *Server) disturbDial(w http.ResponseWriter, r *http.Request, queue string) bool {
	var d dialing
	s.mu.Lock()
	s.onDial = apply(s.onDial, Moment{Queue: queue}, func(a DialAction) bool {
		a.dial(&d)
		return d.over()
	})
	s.mu.Unlock()
	if d.delay > 0 && !s.pause(r.Context(), d.delay) {
		return true
	}
	switch {
	case d.refuse != nil:
		maps.Copy(w.Header(), d.refuse.header)
		s.mu.Lock()
		s.record(Record{Op: OpRefuse, Queue: queue, Code: d.refuse.status})
		s.mu.Unlock()
		http.Error(w, http.StatusText(d.refuse.status), d.refuse.status)
	case d.answer != nil:
		s.hijack(w, func(wire *wire) { _, _ = wire.Conn.Write(d.answer) })
	case d.first != nil && d.first.kind == closing:
		s.mu.Lock()
		s.record(Record{Op: OpRefuse, Queue: queue, Code: d.first.code})
		s.mu.Unlock()
		s.acceptAndClose(w, r, d.first.code, d.first.reason)
	case d.first != nil && (d.first.kind == muting || d.first.kind == freezing):
		select {
		case <-r.Context().Done(): // the client gave up
		case <-s.closed:
		}
	case d.first != nil:
		s.hijack(w, d.first.cut)
	}
	return d.over()
}

// hijack takes the connection from HTTP, has f use it, and closes it.
func (s *Server) hijack(w http.ResponseWriter, f func(*wire)) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotImplemented)
		return
	}
	wire := newWire(conn, func(int) {})
	s.adopt(wire)
	defer s.forget(wire)
	f(wire)
}

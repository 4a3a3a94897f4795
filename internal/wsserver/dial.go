package wsserver

import (
	"maps"
	"net/http"
	"time"
)

// Dial is what faults make of a dial. Its zero value leaves it alone.
type Dial struct {
	Delay  time.Duration
	Refuse *Refusal
	Answer []byte // instead of any HTTP of ours, and then a drop
	First  *Breakage
}

// Over tells whether the dial ends here.
func (d *Dial) Over() bool { return d.Refuse != nil || d.Answer != nil || d.First != nil }

// Refusal is an answer to a dial other than the upgrade.
type Refusal struct {
	Status int
	Header http.Header
}

// With returns a copy of r with one more header.
func (r Refusal) With(name, value string) Refusal {
	r.Header = r.Header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Add(name, value)
	return r
}

// HoldUp waits for as long as a dial is delayed; false when the request or the
// host has ended meanwhile.
func (h *Host) HoldUp(r *http.Request, d Dial) bool {
	if d.Delay <= 0 {
		return true
	}
	timer := time.NewTimer(d.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
	case <-h.closed:
	}
	return false
}

// Disturb ends a dial as d says.
func (h *Host) Disturb(w http.ResponseWriter, r *http.Request, d Dial) {
	switch {
	case d.Refuse != nil:
		maps.Copy(w.Header(), d.Refuse.Header)
		http.Error(w, http.StatusText(d.Refuse.Status), d.Refuse.Status)
	case d.Answer != nil:
		h.hijack(w, func(wire *wire) { _, _ = wire.Conn.Write(d.Answer) })
	case d.First == nil:
	case d.First.Kind == Close:
		h.AcceptAndClose(w, r, d.First.Code, d.First.Reason)
	case d.First.Kind == Mute || d.First.Kind == Freeze:
		select {
		case <-r.Context().Done(): // the client gave up
		case <-h.closed:
		}
	default:
		h.hijack(w, d.First.cut)
	}
}

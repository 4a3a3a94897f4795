package edstest

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// DialAction is what a fault does to a dial. A Breakage is one too.
type DialAction interface {
	fmt.Stringer
	dial(*wsserver.Dial)
}

// Refusal is made by Refuse.
type Refusal struct{ answer wsserver.Refusal }

// Refuse answers a dial with an HTTP status instead of the upgrade.
func Refuse(status int) Refusal { return Refusal{wsserver.Refusal{Status: status}} }

// With adds a header to the answer, such as Retry-After or Location.
func (r Refusal) With(name, value string) Refusal { return Refusal{r.answer.With(name, value)} }

// String names the refusal, as the history does.
func (r Refusal) String() string        { return fmt.Sprintf("refuse %d", r.answer.Status) }
func (r Refusal) dial(d *wsserver.Dial) { d.Refuse = &r.answer }

// RawAnswer is made by Answer.
type RawAnswer struct{ data []byte }

// Answer writes data as the answer to a dial, be it HTTP or not, and drops the
// connection.
func Answer(data []byte) RawAnswer { return RawAnswer{bytes.Clone(data)} }

// String names the action, as the history does.
func (RawAnswer) String() string          { return "answer" }
func (a RawAnswer) dial(d *wsserver.Dial) { d.Answer = a.data }

// disturbDial applies the faults of a dial and tells whether one of them was
// its end.
func (s *Server) disturbDial(w http.ResponseWriter, r *http.Request, queue string) bool {
	var d wsserver.Dial
	s.mu.Lock()
	s.onDial = s.onDial.Apply(Moment{Queue: queue}, s.happened, func(a DialAction) bool {
		a.dial(&d)
		return d.Over()
	})
	s.mu.Unlock()
	if !s.host.HoldUp(r, d) {
		return true
	}
	code := 0
	switch {
	case d.Refuse != nil:
		code = d.Refuse.Status
	case d.First != nil && d.First.Kind == wsserver.Close:
		code = d.First.Code
	}
	if code != 0 {
		s.mu.Lock()
		s.record(Record{Op: OpRefuse, Queue: queue, Code: code})
		s.mu.Unlock()
	}
	s.host.Disturb(w, r, d)
	return d.Over()
}

package edstest

import (
	"context"
	"fmt"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// Outgoing is a kind of frame that the server sends.
type Outgoing string

// The frames that the server sends, by their frameType.
const (
	Events  Outgoing = "EVENT"
	Replies Outgoing = "ACK_EVENT_REPLY"
	Pongs   Outgoing = "PONG"
)

// Incoming is a kind of frame that the client sends.
type Incoming string

// The frames that the client sends, by their frameType.
const (
	Acks  Incoming = "ACK_EVENT"
	Pings Incoming = "PING"
)

// Moment is when a fault could happen: at a dial, or at a frame. Fields that do
// not apply are empty; a dial has a Queue only.
type Moment struct {
	Queue     string
	Conn      int
	EventID   string
	EventType string
	Receipt   string
	Attempt   int // of the delivery, from 1
}

// Limit says at which moments a fault happens.
type Limit func(*Fault)

// Times lets the fault happen n times instead of once.
func Times(n int) Limit { return func(f *Fault) { f.plan.Left = max(n, 0) } }

// Always lets the fault happen each time.
func Always() Limit { return func(f *Fault) { f.plan.Left = -1 } }

// Skip lets the first n moments that fit pass unharmed.
func Skip(n int) Limit { return func(f *Fault) { f.plan.Skip = n } }

// ForEvent restricts the fault to frames of this event.
func ForEvent(id string) Limit { return When(func(m Moment) bool { return m.EventID == id }) }

// ForQueue restricts the fault to this queue.
func ForQueue(name string) Limit { return When(func(m Moment) bool { return m.Queue == name }) }

// When restricts the fault to the moments for which fits returns true. It is
// called with the server's lock held: it must be quick and must not call the
// server.
func When(fits func(Moment) bool) Limit {
	return func(f *Fault) { f.plan.Fits = append(f.plan.Fits, fits) }
}

// Fault is a disturbance that was planned.
type Fault struct {
	s    *Server
	plan wsserver.Fault[Moment] // guarded by Server.mu
}

// Count tells how often the fault happened.
func (f *Fault) Count() int {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	return f.plan.Count
}

// Wait waits until the fault happened n times.
func (f *Fault) Wait(ctx context.Context, n int) error {
	return f.s.journal.Wait(ctx, func() bool { return f.plan.Count >= n }, func() string {
		return fmt.Sprintf("fault %q happened %d times, not %d", f, f.plan.Count, n)
	})
}

// Cancel keeps the fault from happening again.
func (f *Fault) Cancel() {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	f.plan.Left = 0
}

// String names the fault, as the history does.
func (f *Fault) String() string { return f.plan.Name }

// rules are what is planned for dials, or for frames of one kind.
type rules[A any] = wsserver.Rules[Moment, A]

// OnDial plans a fault for the next dial that fits, before the server looks at
// the key or the queue. Faults apply in the order in which they were planned,
// up to the first that refuses or breaks the dial.
func (s *Server) OnDial(do DialAction, limits ...Limit) *Fault {
	f := s.newFault("dial", do, limits)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onDial = s.onDial.With(&f.plan, do)
	return f
}

// OnSend plans a fault for the next frame of a kind that the server sends.
// Faults apply in the order in which they were planned, up to the first that
// loses the frame or breaks the connection. A fault counts, and is in the
// history, when it is decided on: just before the frame is written, or would be.
func (s *Server) OnSend(kind Outgoing, do SendAction, limits ...Limit) *Fault {
	f := s.newFault("send "+string(kind), do, limits)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onSend[kind] = s.onSend[kind].With(&f.plan, do)
	return f
}

// OnReceive plans a fault for the next frame of a kind that arrives. Faults
// apply in the order in which they were planned, up to the first that loses the
// frame or breaks the connection.
func (s *Server) OnReceive(kind Incoming, do ReceiveAction, limits ...Limit) *Fault {
	f := s.newFault("receive "+string(kind), do, limits)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onReceive[kind] = s.onReceive[kind].With(&f.plan, do)
	return f
}

func (s *Server) newFault(where string, do fmt.Stringer, limits []Limit) *Fault {
	f := &Fault{s: s, plan: wsserver.Fault[Moment]{Name: where + " " + do.String(), Left: 1}}
	for _, limit := range limits {
		limit(f)
	}
	return f
}

// happened records a fault. The caller holds mu.
func (s *Server) happened(f *wsserver.Fault[Moment], m Moment) {
	s.record(Record{
		Op: OpFault, Queue: m.Queue, Conn: m.Conn, EventID: m.EventID, Receipt: m.Receipt, Attempt: m.Attempt,
		Detail: f.Name,
	})
}

func (s *Server) planSend(o *outgoing) {
	if rules := s.onSend[o.kind]; len(rules) > 0 {
		s.onSend[o.kind] = rules.Apply(o.moment, s.happened, func(a SendAction) bool {
			a.send(o)
			return o.lost || o.first != nil || o.cut >= 0
		})
	}
}

func (s *Server) planReceive(in *arrival) {
	if rules := s.onReceive[in.kind]; len(rules) > 0 {
		s.onReceive[in.kind] = rules.Apply(in.moment, s.happened, func(a ReceiveAction) bool {
			a.receive(in)
			return in.lost || in.first != nil
		})
	}
}

package edstest

import (
	"context"
	"fmt"
	"slices"
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
func Times(n int) Limit { return func(f *Fault) { f.left = max(n, 0) } }

// Always lets the fault happen each time.
func Always() Limit { return func(f *Fault) { f.left = -1 } }

// Skip lets the first n moments that fit pass unharmed.
func Skip(n int) Limit { return func(f *Fault) { f.skip = n } }

// ForEvent restricts the fault to frames of this event.
func ForEvent(id string) Limit { return When(func(m Moment) bool { return m.EventID == id }) }

// ForQueue restricts the fault to this queue.
func ForQueue(name string) Limit { return When(func(m Moment) bool { return m.Queue == name }) }

// When restricts the fault to the moments for which fits returns true. It is
// called with the server's lock held: it must be quick and must not call the
// server.
func When(fits func(Moment) bool) Limit {
	return func(f *Fault) { f.fits = append(f.fits, fits) }
}

// Fault is a disturbance that was planned.
type Fault struct {
	s    *Server
	name string

	// Guarded by Server.mu.
	fits  []func(Moment) bool
	skip  int
	left  int // negative: no end
	count int
}

// Count tells how often the fault happened.
func (f *Fault) Count() int {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	return f.count
}

// Wait waits until the fault happened n times.
func (f *Fault) Wait(ctx context.Context, n int) error {
	return f.s.wait(ctx, func(Record) bool { return f.count >= n }, func() string {
		return fmt.Sprintf("fault %q happened %d times, not %d", f.name, f.count, n)
	})
}

// Cancel keeps the fault from happening again.
func (f *Fault) Cancel() {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	f.left = 0
}

// String names the fault, as the history does.
func (f *Fault) String() string { return f.name }

// rule is a fault with what it does.
type rule[A any] struct {
	*Fault
	do A
}

// OnDial plans a fault for the next dial that fits, before the server looks at
// the key or the queue. Faults apply in the order in which they were planned,
// up to the first that refuses or breaks the dial.
func (s *Server) OnDial(do DialAction, limits ...Limit) *Fault {
	f := s.newFault("dial", do, limits)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onDial = append(live(s.onDial), rule[DialAction]{f, do})
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
	s.onSend[kind] = append(live(s.onSend[kind]), rule[SendAction]{f, do})
	return f
}

// OnReceive plans a fault for the next frame of a kind that arrives. Faults
// apply in the order in which they were planned, up to the first that loses the
// frame or breaks the connection.
func (s *Server) OnReceive(kind Incoming, do ReceiveAction, limits ...Limit) *Fault {
	f := s.newFault("receive "+string(kind), do, limits)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onReceive[kind] = append(live(s.onReceive[kind]), rule[ReceiveAction]{f, do})
	return f
}

func (s *Server) newFault(where string, do fmt.Stringer, limits []Limit) *Fault {
	f := &Fault{s: s, name: where + " " + do.String(), left: 1}
	for _, limit := range limits {
		limit(f)
	}
	return f
}

// live returns the rules that can still apply.
func live[A any](rules []rule[A]) []rule[A] {
	return slices.DeleteFunc(rules, func(r rule[A]) bool { return r.left == 0 })
}

// apply goes through the rules that fit m, until do says that there is no
// frame left to disturb. It returns those that can still apply. The caller
// holds mu.
func apply[A any](rules []rule[A], m Moment, do func(A) (over bool)) []rule[A] {
	used := false
	for _, r := range rules {
		if !r.happens(m) {
			continue
		}
		used = used || r.left == 0
		if do(r.do) {
			break
		}
	}
	if used {
		return live(rules)
	}
	return rules
}

// happens tells whether f applies to m, and counts it.
func (f *Fault) happens(m Moment) bool {
	if f.left == 0 || slices.ContainsFunc(f.fits, func(fits func(Moment) bool) bool { return !fits(m) }) {
		return false
	}
	if f.skip > 0 {
		f.skip--
		return false
	}
	if f.left > 0 {
		f.left--
	}
	f.count++
	f.s.record(Record{
		Op: OpFault, Queue: m.Queue, Conn: m.Conn, EventID: m.EventID, Receipt: m.Receipt, Attempt: m.Attempt,
		Detail: f.name,
	})
	return true
}

func (s *Server) planSend(o *outgoing) {
	if rules := s.onSend[o.kind]; len(rules) > 0 {
		s.onSend[o.kind] = apply(rules, o.moment, func(a SendAction) bool {
			a.send(o)
			return o.lost || o.first != nil || o.cut >= 0
		})
	}
}

func (s *Server) planReceive(in *arrival) {
	if rules := s.onReceive[in.kind]; len(rules) > 0 {
		s.onReceive[in.kind] = apply(rules, in.moment, func(a ReceiveAction) bool {
			a.receive(in)
			return in.lost || in.first != nil
		})
	}
}

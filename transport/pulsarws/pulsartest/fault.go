package pulsartest

import (
	"context"
	"fmt"
	"slices"
)

// Moment is when a fault could happen: at a dial, at a delivery, or at a
// command. Fields that do not apply are empty.
type Moment struct {
	Conn         int
	Topic        string // in full; empty at v3
	Subscription string
	MessageID    string
	Command      Command
}

// Limit says at which moments a fault happens.
type Limit func(*Fault)

// Times lets the fault happen n times instead of once.
func Times(n int) Limit { return func(f *Fault) { f.left = max(n, 0) } }

// Always lets the fault happen each time.
func Always() Limit { return func(f *Fault) { f.left = -1 } }

// Skip lets the first n moments that fit pass unharmed.
func Skip(n int) Limit { return func(f *Fault) { f.skip = n } }

// ForMessage restricts the fault to deliveries and answers of this message.
func ForMessage(id string) Limit { return When(func(m Moment) bool { return m.MessageID == id }) }

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

// faults are what is planned. Rules apply in the order in which they were
// planned, up to the first that leaves nothing to disturb.
type faults struct {
	onDial    []rule[DialAction]
	onSend    []rule[DeliverAction]
	onCommand []rule[CommandAction]
}

type rule[A any] struct {
	*Fault
	do A
}

// OnDial plans a fault for the next dial that fits, before the server looks at
// anything but the path.
func (s *Server) OnDial(do DialAction, limits ...Limit) *Fault {
	return plan(s, &s.faults.onDial, "dial", do, limits)
}

// OnDeliver plans a fault for the next message that is delivered. The service
// counts it as delivered all the same.
func (s *Server) OnDeliver(do DeliverAction, limits ...Limit) *Fault {
	return plan(s, &s.faults.onSend, "deliver", do, limits)
}

// OnCommand plans a fault for the next command of a kind that arrives.
func (s *Server) OnCommand(kind Command, do CommandAction, limits ...Limit) *Fault {
	ofKind := When(func(m Moment) bool { return m.Command == kind })
	return plan(s, &s.faults.onCommand, string(kind), do, append([]Limit{ofKind}, limits...))
}

func plan[A fmt.Stringer](s *Server, rules *[]rule[A], where string, do A, limits []Limit) *Fault {
	f := &Fault{s: s, name: where + " " + do.String(), left: 1}
	for _, limit := range limits {
		limit(f)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	*rules = append(remaining(*rules), rule[A]{f, do})
	return f
}

// remaining returns the rules that can still apply.
func remaining[A any](rules []rule[A]) []rule[A] {
	return slices.DeleteFunc(rules, func(r rule[A]) bool { return r.left == 0 })
}

// apply goes through the rules that fit m, until do says that there is nothing
// left to disturb. The caller holds mu.
func apply[A any](s *Server, rules *[]rule[A], m Moment, do func(A) (over bool)) {
	used := false
	for _, r := range *rules {
		if !r.happens(s, m) {
			continue
		}
		used = used || r.left == 0
		if do(r.do) {
			break
		}
	}
	if used {
		*rules = remaining(*rules)
	}
}

// happens tells whether f applies to m, and counts it.
func (f *Fault) happens(s *Server, m Moment) bool {
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
	s.record(Record{
		Op: OpFault, Conn: m.Conn, Topic: m.Topic, Subscription: m.Subscription, MessageID: m.MessageID, Detail: f.name,
	})
	return true
}

// live returns the open sessions by their number. The caller holds mu.
func (s *Server) live() []*session {
	var live []*session
	for c := range s.sessions {
		live = append(live, c)
	}
	slices.SortFunc(live, func(a, b *session) int { return a.n - b.n })
	return live
}

package pulsartest

import (
	"context"
	"fmt"
	"slices"

	"github.com/eventdelivery/eds-go/internal/wsserver"
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
func Times(n int) Limit { return func(f *Fault) { f.plan.Left = max(n, 0) } }

// Always lets the fault happen each time.
func Always() Limit { return func(f *Fault) { f.plan.Left = -1 } }

// Skip lets the first n moments that fit pass unharmed.
func Skip(n int) Limit { return func(f *Fault) { f.plan.Skip = n } }

// ForMessage restricts the fault to deliveries and answers of this message.
func ForMessage(id string) Limit { return When(func(m Moment) bool { return m.MessageID == id }) }

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

// rules are what is planned for dials, deliveries or commands.
type rules[A any] = wsserver.Rules[Moment, A]

// OnDial plans a fault for the next dial that fits, before the server looks at
// anything but the path.
func (s *Server) OnDial(do DialAction, limits ...Limit) *Fault {
	return plan(s, &s.onDial, "dial", do, limits)
}

// OnDeliver plans a fault for the next message that is delivered. The service
// counts it as delivered all the same.
func (s *Server) OnDeliver(do DeliverAction, limits ...Limit) *Fault {
	return plan(s, &s.onSend, "deliver", do, limits)
}

// OnCommand plans a fault for the next command of a kind that arrives.
func (s *Server) OnCommand(kind Command, do CommandAction, limits ...Limit) *Fault {
	ofKind := When(func(m Moment) bool { return m.Command == kind })
	return plan(s, &s.onCommand, string(kind), do, append([]Limit{ofKind}, limits...))
}

func plan[A fmt.Stringer](s *Server, rules *rules[A], where string, do A, limits []Limit) *Fault {
	f := &Fault{s: s, plan: wsserver.Fault[Moment]{Name: where + " " + do.String(), Left: 1}}
	for _, limit := range limits {
		limit(f)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	*rules = rules.With(&f.plan, do)
	return f
}

// happened records a fault. The caller holds mu.
func (s *Server) happened(f *wsserver.Fault[Moment], m Moment) {
	s.record(Record{
		Op: OpFault, Conn: m.Conn, Topic: m.Topic, Subscription: m.Subscription, MessageID: m.MessageID, Detail: f.Name,
	})
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

package sim

import (
	"context"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/history"
	"github.com/eventdelivery/eds-go/middleware"
)

// TestWrongProgramsAreCaught puts programs with one mistake each through bad
// days. What finds nothing here would find nothing in the real one either.
func TestWrongProgramsAreCaught(t *testing.T) {
	for name, tc := range map[string]struct {
		client Client
		rule   string // one of those that must find it
	}{
		"marks the event before the work":           {withStore(func(s dedupe.Store) dedupe.Store { return markFirst{s} }), "lost"},
		"acknowledges what another worker is doing": {withStore(func(s dedupe.Store) dedupe.Store { return busyIsDone{s} }), "early-ack"},
		"reads a store error as done":               {withStore(func(s dedupe.Store) dedupe.Store { return errorIsDone{s} }), "lost"},
		"has no dedupe store":                       {withoutDedupe, "double-effect"},
		"releases after success":                    {withStore(func(s dedupe.Store) dedupe.Store { return neverDone{s} }), "double-effect"},
		"acknowledges before the work":              {ackFirst, "early-ack"},
		"never acknowledges":                        {withTransport(func(t eds.Transport) eds.Transport { return neverAck{t} }), "unacked"},
		"keeps no dead letters":                     {noDeadLetter, "lost"},
	} {
		t.Run(name, func(t *testing.T) {
			found := map[string]int{}
			for seed := Seed(1); seed <= 10 && found[tc.rule] == 0; seed++ {
				s := BadDay(seed, time.Hour)
				s.Processes, s.Lanes, s.Client = 2, 0, tc.client
				for _, v := range play(t, s).violations {
					found[v.Rule]++
				}
			}
			t.Log(found)
			if found[tc.rule] == 0 {
				t.Errorf("rules %v are broken; want %s among them", found, tc.rule)
			}
		})
	}
}

// TestReceiptRuleCatchesASecondAck: the transport does not let a program
// acknowledge twice, so the wire does.
func TestReceiptRuleCatchesASecondAck(t *testing.T) {
	p := play(t, Scenario{Seed: 1, Events: 1, Over: time.Minute, Client: Framework(), Frame: func(f Frame) FrameFault {
		return FrameFault{Twice: f.Type == "ACK_EVENT"}
	}})
	if len(p.violations) != 1 || p.violations[0].Rule != "wrong-receipt" {
		t.Errorf("violations %v, want one of wrong-receipt", p.violations)
	}
}

// TestConnectionRuleCatchesASecondDial: no program of ours can be made to do
// it, so the harness does.
func TestConnectionRuleCatchesASecondDial(t *testing.T) {
	p := play(t, Scenario{Seed: 1, Events: 1, Over: time.Minute, Client: func(ctx context.Context, p *Process) error {
		var conns []net.Conn
		for range 2 {
			c, err := p.Dial(ctx, "tcp", "service")
			if err != nil {
				return err
			}
			conns = append(conns, c)
			p.record(history.Entry{Op: history.Connect, Conn: c.(*conn).name})
		}
		<-ctx.Done()
		for _, c := range conns {
			c.Close()
		}
		return nil
	}})
	if !slices.ContainsFunc(p.violations, func(v history.Violation) bool { return v.Rule == "connections" }) {
		t.Errorf("no violation of connections in %v", p.violations)
	}
}

func withStore(wrong func(dedupe.Store) dedupe.Store) Client {
	return func(ctx context.Context, p *Process) error {
		return p.app(wrong(p.world.Store.For(p, nil)), nil).Run(ctx)
	}
}

func withTransport(wrong func(eds.Transport) eds.Transport) Client {
	return func(ctx context.Context, p *Process) error {
		return p.assemble(wrong(p.transport()), nil,
			middleware.Dedupe(p.world.Store.For(p, nil)), middleware.DeadLetter(p.Park), middleware.Recover()).Run(ctx)
	}
}

func withoutDedupe(ctx context.Context, p *Process) error {
	return p.assemble(p.transport(), nil, middleware.DeadLetter(p.Park), middleware.Recover()).Run(ctx)
}

func noDeadLetter(ctx context.Context, p *Process) error {
	return p.assemble(p.transport(), nil, middleware.Dedupe(p.world.Store.For(p, nil)), middleware.Recover()).Run(ctx)
}

// ackFirst hands events to a goroutine and says that they are done.
func ackFirst(ctx context.Context, p *Process) error {
	inTheBackground := func(next eds.Handler) eds.Handler {
		return func(ctx context.Context, e *eds.Event) error {
			e = &eds.Event{ID: e.ID, Type: e.Type}
			p.world.wait.Go(func() { _ = middleware.Recover()(next)(context.WithoutCancel(ctx), e) })
			return nil
		}
	}
	return p.assemble(p.transport(), nil, middleware.Dedupe(p.world.Store.For(p, nil)), inTheBackground).Run(ctx)
}

type markFirst struct{ dedupe.Store }

func (s markFirst) Claim(ctx context.Context, h dedupe.Hold) (dedupe.Claim, error) {
	c, err := s.Store.Claim(ctx, h)
	if err == nil && c.State == dedupe.Acquired {
		_, err = s.Store.Commit(ctx, h, dedupe.Succeeded)
	}
	return c, err
}

type busyIsDone struct{ dedupe.Store }

func (s busyIsDone) Claim(ctx context.Context, h dedupe.Hold) (dedupe.Claim, error) {
	c, err := s.Store.Claim(ctx, h)
	if c.State == dedupe.Busy {
		c.State = dedupe.Done
	}
	return c, err
}

type errorIsDone struct{ dedupe.Store }

func (s errorIsDone) Claim(ctx context.Context, h dedupe.Hold) (dedupe.Claim, error) {
	c, err := s.Store.Claim(ctx, h)
	if err != nil {
		return dedupe.Claim{State: dedupe.Done}, nil //nolint:nilerr // this is what it does wrong
	}
	return c, nil
}

type neverDone struct{ dedupe.Store }

func (s neverDone) Commit(ctx context.Context, h dedupe.Hold, _ dedupe.Result) (bool, error) {
	return s.Store.Release(ctx, h)
}

type neverAck struct{ eds.Transport }

func (neverAck) Ack(context.Context, *eds.Delivery) error { return nil }

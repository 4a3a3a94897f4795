package sim

import (
	"cmp"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/internal/history"
)

// The tests of this file put one event, or a few, through one fault each, and
// say exactly what then happened to it. Those with random faults say only that
// nothing was lost.

// one is the life of a single event, e00000.
func one(t *testing.T, s Scenario) played {
	t.Helper()
	s.Seed = cmp.Or(s.Seed, 1)
	s.Events = cmp.Or(s.Events, 1)
	s.Over = cmp.Or(s.Over, 10*time.Minute)
	if s.Client == nil {
		s.Client = Framework()
	}
	p := play(t, s)
	p.wantNoViolation(t)
	return p
}

// acts lets the first runs of every event be the given ones, and those that
// follow work.
func acts(first ...Act) func(string, int) Act {
	return func(_ string, n int) Act {
		if n <= len(first) {
			return first[n-1]
		}
		return Works
	}
}

// counts are what is said of a life: how often each thing happened.
type counts struct {
	runs, effects, parked, deliveries, acks int
}

func (p played) want(t *testing.T, want counts) {
	t.Helper()
	r := p.report
	got := counts{r.Ops[history.Start], r.Ops[history.Effect], r.Ops[history.Park], r.Ops[history.Deliver], r.Ops[history.AckSent]}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
		for _, e := range p.entries {
			t.Log(e)
		}
	}
}

func TestHandlerThatPanicsOnce(t *testing.T) {
	faults.Covers(t, "C1")
	one(t, Scenario{Act: acts(Panics)}).want(t, counts{runs: 2, effects: 1, deliveries: 1, acks: 1})
}

func TestHandlerThatAlwaysPanics(t *testing.T) {
	faults.Covers(t, "C1", "C9")
	one(t, Scenario{Act: acts(Panics, Panics, Panics)}).want(t, counts{runs: 3, parked: 1, deliveries: 1, acks: 1})
}

func TestHandlerThatEndsItsGoroutine(t *testing.T) {
	faults.Covers(t, "C2")
	one(t, Scenario{Act: acts(Exits)}).want(t, counts{runs: 1, parked: 1, deliveries: 1, acks: 1})
}

func TestHandlerThatRunsIntoItsTimeout(t *testing.T) {
	faults.Covers(t, "C4")
	one(t, Scenario{Act: acts(Waits)}).want(t, counts{runs: 1, parked: 1, deliveries: 1, acks: 1})
}

func TestHandlerThatNeverReturns(t *testing.T) {
	faults.Covers(t, "C5")
	p := one(t, Scenario{Events: 20, Act: func(event string, n int) Act {
		if event == "e00003" {
			return Stuck
		}
		return Works
	}})
	// It is given up 10 s after its 25 s, while its redelivery of 30 s has
	// joined it; then the queue moves on.
	if r := p.report; r.Parked != 1 || r.OK != 20 || r.Ops[history.Start] != 20 {
		t.Errorf("%d parked, %d ok, %d runs", r.Parked, r.OK, r.Ops[history.Start])
	}
	if max := p.report.Handling.Quantile(1); max > 40*time.Second {
		t.Errorf("an event waited for %v", max)
	}
}

func TestHandlerThatTakesLongerThanTwoVisibilityTimeouts(t *testing.T) {
	faults.Covers(t, "C6", "D3")
	p := one(t, Scenario{Act: acts(Waits), Client: Framework(eds.HandlerTimeout(90 * time.Second))})
	// Three receipts, one run. The newest is acknowledged first, which deletes
	// the event; those before it are acknowledged too, for a service that
	// knows only them.
	p.want(t, counts{runs: 1, effects: 1, deliveries: 3, acks: 3})
	var newest, first string
	for _, e := range p.entries {
		switch {
		case e.Op == history.Deliver:
			newest = e.Receipt
		case e.Op == history.AckSent && first == "":
			first = e.Receipt
		}
	}
	if newest != first {
		t.Errorf("receipt %s was acknowledged first, want the newest, %s", first, newest)
	}
}

func TestHandlerThatTakesLongerThanItsLeaseWhileAnotherProcessAsks(t *testing.T) {
	faults.Covers(t, "C7", "D27", "B28")
	p := one(t, Scenario{
		Processes: 2, Act: acts(Waits), Client: Framework(eds.HandlerTimeout(90 * time.Second)),
		Nemeses: []Nemesis{{"queue taken by the other process", 20 * time.Second, func(w *World, n int) {
			if n == 1 { // at 10 to 30 s, in the middle of the run
				w.banish("p1.1", 5*time.Minute)
			}
		}}},
	})
	r := p.report
	if r.Ops[history.Start] != 1 || r.Ops[history.Effect] != 1 || r.Ops[history.Commit] != 1 {
		t.Errorf("%d runs, %d effects, %d commits, want one of each", r.Ops[history.Start], r.Ops[history.Effect], r.Ops[history.Commit])
	}
	busy := 0
	for _, e := range p.entries {
		if e.Op == history.Claim && e.Actor == "p2.1" && e.Result == "busy" {
			busy++
		}
	}
	if busy < 5 || busy > 120 {
		t.Errorf("the other process asked %d times; want it to wait, and not in a hurry", busy)
	}
}

func TestHandlerThatFailsAfterItsEffect(t *testing.T) {
	faults.Covers(t, "C8")
	p := one(t, Scenario{Act: acts(LateErr)})
	p.want(t, counts{runs: 2, effects: 2, deliveries: 1, acks: 1})
	if p.report.Explained["the handler failed after its effect"] != 1 {
		t.Errorf("explained by %v", p.report.Explained)
	}
}

func TestHandlerThatAlwaysFails(t *testing.T) {
	faults.Covers(t, "C9", "D2")
	one(t, Scenario{Act: acts(Fails, Fails, Fails)}).want(t, counts{runs: 3, parked: 1, deliveries: 1, acks: 1})
}

func TestHandlerThatHandsTheEventBack(t *testing.T) {
	faults.Covers(t, "D2")
	one(t, Scenario{Act: acts(Hands)}).want(t, counts{runs: 2, effects: 1, deliveries: 2, acks: 1})
}

func TestDeadLetterThatCannotBeKept(t *testing.T) {
	faults.Covers(t, "C10")
	p := one(t, Scenario{Act: acts(Refuses, Refuses, Refuses), ParkFails: func(_ string, n int) bool { return n <= 2 }})
	p.want(t, counts{runs: 3, parked: 1, deliveries: 3, acks: 1})
}

func TestTypeWithoutAHandler(t *testing.T) {
	faults.Covers(t, "C11")
	one(t, Scenario{Unhandled: func(string) bool { return true }}).want(t, counts{deliveries: 1, acks: 1})
}

func TestSameFrameTwice(t *testing.T) {
	faults.Covers(t, "B18", "D3")
	p := one(t, Scenario{Frame: func(f Frame) FrameFault { return FrameFault{Twice: f.Type == "EVENT"} }})
	p.want(t, counts{runs: 1, effects: 1, deliveries: 1, acks: 1})
}

func TestEventFrameLost(t *testing.T) {
	p := one(t, Scenario{Frame: func(f Frame) FrameFault { return FrameFault{Drop: f.Type == "EVENT" && f.N == 1} }})
	p.want(t, counts{runs: 1, effects: 1, deliveries: 2, acks: 1})
}

func TestAckLost(t *testing.T) {
	faults.Covers(t, "B19")
	p := one(t, Scenario{Frame: func(f Frame) FrameFault { return FrameFault{Drop: f.Type == "ACK_EVENT" && f.N == 1} }})
	p.want(t, counts{runs: 1, effects: 1, deliveries: 2, acks: 1})
}

func TestAckCutOffByTheEndOfTheConnection(t *testing.T) {
	faults.Covers(t, "B19", "B28")
	p := one(t, Scenario{Frame: func(f Frame) FrameFault { return FrameFault{Cut: f.Type == "ACK_EVENT" && f.N == 1} }})
	p.want(t, counts{runs: 1, effects: 1, deliveries: 2, acks: 1})
}

func TestReplyNeverComes(t *testing.T) {
	faults.Covers(t, "B23")
	p := one(t, Scenario{Frame: func(f Frame) FrameFault { return FrameFault{Drop: f.Type == "ACK_EVENT_REPLY"} }})
	p.want(t, counts{runs: 1, effects: 1, deliveries: 1, acks: 1})
}

func TestClaimReplyLost(t *testing.T) {
	faults.Covers(t, "D4")
	p := one(t, Scenario{StoreCall: first("claim", StoreFault{LoseReply: true})})
	p.want(t, counts{runs: 1, effects: 1, deliveries: 1, acks: 1})
}

func TestStoreDownAtTheClaim(t *testing.T) {
	faults.Covers(t, "D9", "D13")
	p := one(t, Scenario{StoreCall: first("claim", StoreFault{Refuse: true})})
	p.want(t, counts{runs: 1, effects: 1, deliveries: 2, acks: 1})
}

func TestStoreDownAtTheCommit(t *testing.T) {
	faults.Covers(t, "D6")
	p := one(t, Scenario{StoreCall: first("commit", StoreFault{Refuse: true})})
	p.want(t, counts{runs: 1, effects: 1, deliveries: 1, acks: 1})
}

func TestStoreSlow(t *testing.T) {
	faults.Covers(t, "D10")
	p := one(t, Scenario{StoreCall: func(string, string, string, int) StoreFault { return StoreFault{Latency: 5 * time.Second} }})
	p.want(t, counts{runs: 1, effects: 1, deliveries: 1, acks: 1})
}

func TestCrashes(t *testing.T) {
	faults.Covers(t, "D1", "D5", "D7", "E4")
	for _, tc := range []struct {
		at   Point
		want counts
	}{
		{BeforeClaim, counts{runs: 1, effects: 1, deliveries: 2, acks: 1}},
		{AfterClaim, counts{runs: 1, effects: 1, deliveries: 2, acks: 1}},
		{BeforeEffect, counts{runs: 2, effects: 1, deliveries: 2, acks: 1}},
		{AfterEffect, counts{runs: 2, effects: 2, deliveries: 2, acks: 1}}, // the open window
		{BeforeCommit, counts{runs: 2, effects: 2, deliveries: 2, acks: 1}},
		{AfterCommit, counts{runs: 1, effects: 1, deliveries: 2, acks: 1}},
		{BeforeAck, counts{runs: 1, effects: 1, deliveries: 2, acks: 1}},
	} {
		t.Run(string(tc.at), func(t *testing.T) {
			p := one(t, Scenario{CrashAt: func(at Point, _ string, n int) bool { return at == tc.at && n == 1 }})
			if tc.at == BeforeClaim || tc.at == AfterCommit || tc.at == BeforeAck {
				p.want(t, tc.want)
				return
			}
			// While the dead owner's lease lasts the event may be delivered
			// more than once; it is not run then.
			got := p.report.Ops[history.Deliver]
			tc.want.deliveries = max(2, min(got, 3))
			p.want(t, tc.want)
			if took := p.report.Handling.Quantile(1); tc.want.effects == 1 && took > 90*time.Second {
				t.Errorf("the event of a dead process took %v", took)
			}
		})
	}
}

func TestStoreWipedBetweenCommitAndRedelivery(t *testing.T) {
	faults.Covers(t, "D11", "D15", "D16")
	p := one(t, Scenario{
		Frame: func(f Frame) FrameFault { return FrameFault{Drop: f.Type == "ACK_EVENT" && f.N == 1} },
		Nemeses: []Nemesis{{"store wipe", 16 * time.Second, func(w *World, n int) {
			if n == 1 { // at 8 to 24 s, before the redelivery at 30 s
				w.Store.Wipe()
			}
		}}},
	})
	p.want(t, counts{runs: 2, effects: 2, deliveries: 2, acks: 1})
	if p.report.Explained["store_fault store wiped"] != 1 {
		t.Errorf("explained by %v", p.report.Explained)
	}
}

// TestLateOwnerCannotUndoItsSuccessor: the store's clock jumps, so the lease of
// a long run ends early, and another process takes the event over. The first
// one is told by its context, and what it then says to the store changes
// nothing.
func TestLateOwnerCannotUndoItsSuccessor(t *testing.T) {
	faults.Covers(t, "D8", "D17")
	p := one(t, Scenario{
		Processes: 2, Act: acts(Waits), Client: Framework(eds.HandlerTimeout(90 * time.Second)),
		Nemeses: []Nemesis{{"the lease ends early", 20 * time.Second, func(w *World, n int) {
			if n == 1 {
				w.Store.Jump(10 * time.Minute)
				w.banish("p1.1", 5*time.Minute)
			}
		}}},
	})
	commits, cancelled := 0, 0
	for _, e := range p.entries {
		if e.Op == history.Commit {
			commits++
		}
		if e.Op == history.End && e.Result == "cancelled" {
			cancelled++
		}
	}
	if r := p.report; r.Ops[history.Effect] != 1 || commits != 1 || cancelled != 1 {
		t.Errorf("%d effects, %d commits, %d runs cancelled, want one of each", r.Ops[history.Effect], commits, cancelled)
	}
}

// first lets the first call of op go wrong.
func first(op string, f StoreFault) func(process, called, event string, n int) StoreFault {
	return func(_, called, _ string, n int) StoreFault {
		if called == op && n == 1 {
			return f
		}
		return StoreFault{}
	}
}

// TestEventThatKillsEachProcess: the claims are counted, not the failures, so
// that an event whose handler takes the process down is given up in the end.
func TestEventThatKillsEachProcess(t *testing.T) {
	faults.Covers(t, "C3", "E4")
	p := one(t, Scenario{
		Events: 3, Over: 30 * time.Minute,
		CrashAt: func(at Point, event string, n int) bool { return at == BeforeEffect && event == "e00001" },
	})
	if r := p.report; r.Ops[history.Crash] != 5 || r.Parked != 1 || r.OK != 3 {
		t.Errorf("%d crashes, %d parked, %d ok; want 5, 1, 3", r.Ops[history.Crash], r.Parked, r.OK)
	}
}

// TestBacklogInBulk: what gathered while nobody was connected comes at once,
// and is taken a bounded piece at a time.
func TestBacklogInBulk(t *testing.T) {
	faults.Covers(t, "G1", "G2")
	const backlog = 5000
	p := one(t, Scenario{
		Events: backlog, Over: time.Hour, Window: 100_000, Lanes: 1, AtOnce: true,
		Act: func(string, int) Act { return Swift }, Client: Framework(eds.Buffer(64, 1<<20)),
	})
	if p.report.OK != backlog || p.report.Ops[history.Start] != backlog {
		t.Errorf("%d ok in %d runs", p.report.OK, p.report.Ops[history.Start])
	}
}

// TestStuckHandlerDoesNotKeepItsEvent: the store is down when the App gives a
// stuck handler up, so that the event is left for redelivery instead of being
// dead-lettered. The handler's goroutine is still there; its lease must end
// all the same, or nobody can ever take the event over. A random run of the
// simulation found that.
func TestStuckHandlerDoesNotKeepItsEvent(t *testing.T) {
	faults.Covers(t, "C5", "C7", "D9")
	p := one(t, Scenario{
		Act: acts(Stuck), Over: 20 * time.Minute,
		Nemeses: []Nemesis{{"store outage", 20 * time.Second, func(w *World, n int) {
			if n == 1 { // from 10 to 30 s on; the handler is given up at 35 s
				w.Store.Down(true)
				time.Sleep(30 * time.Second)
				w.Store.Down(false)
			}
		}}},
	})
	if r := p.report; r.Ops[history.Effect] != 1 || r.Handling.Quantile(1) > 3*time.Minute {
		t.Errorf("%d effects, after %v", r.Ops[history.Effect], r.Handling.Quantile(1))
	}
}

package sim

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/history"
)

// Act is what the handler does in one run.
type Act string

// The acts of a handler.
const (
	Works   Act = "works"
	Fails   Act = "fails"
	Refuses Act = "refuses" // with a permanent error
	Panics  Act = "panics"
	Exits   Act = "exits"  // its goroutine
	Slow    Act = "slow"   // takes 65 s, whatever its context says
	Waits   Act = "waits"  // takes 65 s, or until its context ends
	Stuck   Act = "stuck"  // never returns
	LateErr Act = "late"   // fails after its effect
	Swift   Act = "swift"  // works, in no time
	Hands   Act = "return" // hands the event back to the service
	Stops   Act = "stops"  // begins the shutdown of its own process
)

var errHandler = errors.New("sim: the handler fails")

// Handle is the fake handler: it does what the scenario's script says for the
// n-th run of this event in the whole world.
func (p *Process) Handle(ctx context.Context, e *eds.Event) error {
	w := p.world
	if p.Dead() {
		return errCrashed
	}
	n := w.passes.next("run", e.ID)
	run := fmt.Sprintf("%s#%d", e.ID, n)
	entry := func(op history.Op, result string) {
		p.record(history.Entry{Op: op, Event: e.ID, Token: run, Attempt: e.Attempt, Result: result})
	}
	act := Works
	if w.Scenario.Act != nil && !w.quiet() {
		act = w.Scenario.Act(e.ID, n)
	}
	entry(history.Start, string(act))
	result := "goexit"
	defer func() { entry(history.End, result) }()

	takes := w.Seed.Between(time.Millisecond, 400*time.Millisecond, "work", run)
	switch act {
	case Swift:
		takes = w.Seed.Tie("work", run)
	case Slow, Waits:
		takes = 65*time.Second + w.Seed.Tie("work", run)
	}
	switch act {
	case Slow:
		if !sleep(ctx, takes) {
			// It goes on although it has no right to any more.
			result = "late"
			entry(history.LeaseLost, "handler ignores its context")
			time.Sleep(takes / 2)
		}
	case Stuck:
		select {
		case <-ctx.Done():
		case <-w.over: // the caller sets no limit
		}
		entry(history.LeaseLost, "handler ignores its context")
		<-w.over
		result = "stuck"
		return errHandler
	default:
		if !sleep(ctx, takes) {
			result = "cancelled"
			return context.Cause(ctx)
		}
	}
	if err := p.reach(BeforeEffect, e.ID); err != nil {
		result = "crash"
		return err
	}
	switch act {
	case Fails:
		result = "error"
		// The handler chooses the pause, since the one that the framework
		// would draw is no function of the seed.
		return eds.RetryAfter(errHandler, w.Seed.Between(time.Millisecond, 5*time.Second, "retry", run))
	case Refuses:
		result = "permanent error"
		return eds.Permanent(errHandler)
	case Hands:
		result = "redeliver"
		return eds.Redeliver(errHandler)
	case Panics:
		result = "panic"
		panic(errHandler)
	case Exits:
		runtime.Goexit()
	}
	if act == Stops {
		p.end()
	}
	entry(history.Effect, "")
	if err := p.reach(AfterEffect, e.ID); err != nil {
		result = "crash"
		return err
	}
	if act == LateErr {
		result = "error after the effect"
		return errHandler
	}
	if result != "late" {
		result = history.OK
	}
	return nil
}

// Park is the fake dead-letter sink.
func (p *Process) Park(_ context.Context, e *eds.Event) error {
	if p.Dead() {
		return errCrashed
	}
	if f := p.world.Scenario.ParkFails; f != nil && !p.world.quiet() && f(e.ID, p.world.passes.next("park", e.ID)) {
		p.record(history.Entry{Op: history.Fault, Event: e.ID, Result: "dead letter refused"})
		return errHandler
	}
	p.record(history.Entry{Op: history.Park, Event: e.ID})
	return nil
}

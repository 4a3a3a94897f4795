package eds_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
)

func TestShutdownLetsHandlersFinish(t *testing.T) {
	faults.Covers(t, "E1")
	var during error
	bubble(t, handle(func(ctx context.Context, _ *eds.Event) error {
		time.Sleep(10 * time.Second)
		during = ctx.Err()
		return nil
	}), func(t *testing.T, r *running) {
		r.deliver("1", "X", "R1")
		r.deliver("2", "X", "R2")
		time.Sleep(time.Second)
		start := time.Now()
		if err := r.stop(); err != nil {
			t.Errorf("Run returned %v", err)
		}
		if took := time.Since(start); took != 9*time.Second {
			t.Errorf("shutdown took %v, want the 9s that the handler still needed", took)
		}
		if during != nil {
			t.Errorf("the handler's context had ended: %v", during)
		}
		// The one that had not begun comes again.
		r.want(t, "nack R2", "ack R1")
		if !r.closed {
			t.Error("the transport was not closed")
		}
		if h := r.app.Health(); !h.Draining || h.Ready() || h.Outcomes.Total() != 2 {
			t.Errorf("health %+v", h)
		}
	})
}

func TestShutdownInterruptsAfterDrainTimeout(t *testing.T) {
	faults.Covers(t, "E2")
	var cause error
	bubble(t, handle(func(ctx context.Context, _ *eds.Event) error {
		<-ctx.Done()
		cause = context.Cause(ctx)
		return ctx.Err()
	}), func(t *testing.T, r *running) {
		r.deliver("1", "X", "R1")
		time.Sleep(time.Second)
		err := r.stop()
		var drain *eds.DrainError
		if !errors.As(err, &drain) || len(drain.Events) != 0 {
			t.Errorf("Run returned %v, want a *DrainError that names nobody", err)
		}
		if !errors.Is(cause, eds.ErrShutdown) {
			t.Errorf("cause %v, want ErrShutdown", cause)
		}
		r.want(t, "nack R1") // interrupted, not failed
	}, eds.DrainTimeout(3*time.Second))
}

func TestShutdownNamesWhoDoesNotReturn(t *testing.T) {
	faults.Covers(t, "C5", "E2")
	var release chan struct{}
	bubbleWith(t, &release, handle(func(context.Context, *eds.Event) error {
		<-release
		return nil
	}), func(t *testing.T, r *running) {
		r.deliver("1", "SLOW", "R1")
		time.Sleep(time.Second)
		var drain *eds.DrainError
		if err := r.stop(); !errors.As(err, &drain) || len(drain.Events) != 1 || drain.Events[0] != "1" || drain.Types[0] != "SLOW" {
			t.Errorf("Run returned %v, want a *DrainError that names event 1", err)
		}
		r.want(t)
		release <- struct{}{}
		r.want(t) // too late to settle anything
	}, eds.DrainTimeout(3*time.Second))
}

func TestShutdownWhileTheBufferIsFull(t *testing.T) {
	bubble(t, handle(func(ctx context.Context, _ *eds.Event) error {
		time.Sleep(time.Second)
		return nil
	}), func(t *testing.T, r *running) {
		for _, id := range []string{"1", "2", "3"} {
			r.deliver(id, "X", "R"+id)
		}
		time.Sleep(100 * time.Millisecond)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		r.want(t, "nack R2", "ack R1")
	}, eds.Buffer(2, 1<<20))
}

func TestZeroDrainTimeoutInterruptsAtOnce(t *testing.T) {
	bubble(t, handle(func(ctx context.Context, _ *eds.Event) error { <-ctx.Done(); return ctx.Err() }),
		func(t *testing.T, r *running) {
			r.deliver("1", "X", "R1")
			time.Sleep(time.Second)
			start := time.Now()
			_ = r.stop()
			if took := time.Since(start); took != 0 {
				t.Errorf("took %v", took)
			}
			r.want(t, "nack R1")
		}, eds.DrainTimeout(0))
}

func TestFinalErrorEndsRun(t *testing.T) {
	bubble(t, handle(func(context.Context, *eds.Event) error { time.Sleep(time.Second); return nil }),
		func(t *testing.T, r *running) {
			r.final = &eds.AuthError{Code: 401}
			r.deliver("1", "X", "R1")
			close(r.in)
			time.Sleep(2 * time.Second)
			if !r.done() {
				t.Fatal("Run goes on")
			}
			var auth *eds.AuthError
			if err := r.stop(); !errors.As(err, &auth) || auth.Code != 401 {
				t.Errorf("Run returned %v", err)
			}
			r.want(t, "ack R1")
		})
}

func TestRunTwice(t *testing.T) {
	bubble(t, handle(func(context.Context, *eds.Event) error { return nil }), func(t *testing.T, r *running) {
		synctest.Wait()
		if err := r.app.Run(t.Context()); err == nil {
			t.Error("the second Run was not refused")
		}
	})
}

// A handler that stops the App, as one does after the last event it wanted,
// is the last one to run.
func TestNothingBeginsAfterTheEnd(t *testing.T) {
	faults.Covers(t, "E5")
	var ran []string
	var r *running
	bubble(t, handle(func(_ context.Context, e *eds.Event) error {
		ran = append(ran, e.ID)
		time.Sleep(10 * time.Millisecond)
		r.cancel()
		return nil
	}), func(t *testing.T, rr *running) {
		r = rr
		for _, id := range []string{"1", "2", "3"} {
			r.deliver(id, "X", "R"+id)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(ran) != 1 {
			t.Errorf("ran %q, want the first only", ran)
		}
	})
}

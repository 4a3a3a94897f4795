package middleware

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

func TestTimeoutEndsTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := Timeout(time.Second)(func(ctx context.Context, _ *eds.Event) error {
			<-ctx.Done()
			if cause := context.Cause(ctx); cause != eds.ErrHandlerTimeout {
				t.Errorf("cause %v", cause)
			}
			return ctx.Err()
		})
		start := time.Now()
		mustBe(t, h(t.Context(), event()), eds.Failed, eds.ErrHandlerTimeout, context.DeadlineExceeded)
		if time.Since(start) != time.Second {
			t.Fatalf("after %v", time.Since(start))
		}
	})
}

func TestTimeoutTellsLateErrorsAndForgivesLateSuccess(t *testing.T) {
	for name, c := range map[string]struct {
		takes  time.Duration
		err    error
		want   eds.Outcome
		isLate bool
	}{
		"in time":         {0, errBoom, eds.Failed, false},
		"late":            {2 * time.Second, errBoom, eds.Failed, true},
		"late success":    {2 * time.Second, nil, eds.Handled, false},
		"late decision":   {2 * time.Second, eds.Redeliver(errBoom), eds.Redelivered, false},
		"late permanent":  {2 * time.Second, eds.Permanent(errBoom), eds.Failed, true},
		"late duplicate":  {2 * time.Second, eds.ErrDuplicate, eds.Duplicate, false},
		"already told so": {2 * time.Second, eds.ErrHandlerTimeout, eds.Failed, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := Timeout(time.Second)(func(context.Context, *eds.Event) error {
					time.Sleep(c.takes) // ignores its context
					return c.err
				})(t.Context(), event())
				mustBe(t, err, c.want)
				if late := errors.Is(err, eds.ErrHandlerTimeout); late != c.isLate {
					t.Fatalf("%v: late is %v", err, late)
				}
				if errors.Is(c.err, eds.ErrHandlerTimeout) && err != c.err {
					t.Fatalf("said twice: %v", err)
				}
				if c.err != nil && !errors.Is(err, c.err) || eds.IsPermanent(err) != eds.IsPermanent(c.err) {
					t.Fatalf("%v lost %v", err, c.err)
				}
			})
		})
	}
}

// Watermill's Retry over Timeout ran its later attempts in a context that had
// ended with the first (ThreeDotsLabs/watermill#467).
func TestTimeoutIsPerAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		h := Retry()(Timeout(time.Second)(func(ctx context.Context, _ *eds.Event) error {
			if ctx.Err() != nil {
				t.Error("an attempt began in a context that had ended")
			}
			if calls++; calls < 3 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}))
		if err := h(t.Context(), event()); err != nil || calls != 3 {
			t.Fatalf("%v after %d calls", err, calls)
		}
	})
}

func TestTimeoutShutdownIsNoTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Millisecond, func() { cancel(eds.ErrShutdown) })
		err := Timeout(time.Second)(func(ctx context.Context, _ *eds.Event) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})(ctx, event())
		if errors.Is(err, eds.ErrHandlerTimeout) || !errors.Is(err, eds.ErrShutdown) {
			t.Fatal(err)
		}
	})
}

func TestTimeoutOfZeroIsNone(t *testing.T) {
	h := Timeout(0)(func(ctx context.Context, _ *eds.Event) error {
		if _, limited := ctx.Deadline(); limited {
			t.Error("there is a deadline")
		}
		return nil
	})
	if err := h(context.Background(), event()); err != nil {
		t.Fatal(err)
	}
}

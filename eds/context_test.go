package eds_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// WithTimeout must be indistinguishable from the standard library's context,
// but for its price.
func TestWithTimeout(t *testing.T) {
	type key struct{}
	cause := errors.New("too slow")
	for name, ask := range map[string]func(context.Context){
		"lazy":         func(context.Context) {},
		"materialized": func(ctx context.Context) { ctx.Done() },
		"derived":      func(ctx context.Context) { context.AfterFunc(ctx, func() {}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, end := context.WithCancelCause(context.WithValue(t.Context(), key{}, 1))
				defer end(nil)
				ctx, cancel := withTimeout(parent, time.Second, cause)
				defer cancel()
				ask(ctx)
				if at, ok := ctx.Deadline(); !ok || time.Until(at) != time.Second {
					t.Errorf("deadline in %v", time.Until(at))
				}
				if ctx.Value(key{}) != 1 || ctx.Err() != nil {
					t.Errorf("value %v, err %v", ctx.Value(key{}), ctx.Err())
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if ctx.Err() != context.DeadlineExceeded || context.Cause(ctx) != cause {
					t.Errorf("after the deadline: %v because of %v", ctx.Err(), context.Cause(ctx))
				}
				select {
				case <-ctx.Done():
				default:
					t.Error("Done is open")
				}

				ctx, cancel = withTimeout(parent, time.Second, cause)
				ask(ctx)
				cancel()
				cancel()
				if ctx.Err() != context.Canceled {
					t.Errorf("after cancel: %v", ctx.Err())
				}
				<-ctx.Done()

				ctx, cancel = withTimeout(parent, time.Second, cause)
				defer cancel()
				ask(ctx)
				derived, endDerived := context.WithCancel(ctx)
				defer endDerived()
				end(errBoom)
				<-derived.Done()
				if ctx.Err() != context.Canceled || context.Cause(ctx) != errBoom || context.Cause(derived) != errBoom {
					t.Errorf("after the parent's end: %v because of %v", ctx.Err(), context.Cause(ctx))
				}
			})
		})
	}
}

func TestWithTimeoutKeepsAnEarlierDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, end := context.WithTimeoutCause(t.Context(), time.Second, errBoom)
		defer end()
		ctx, cancel := withTimeout(parent, time.Minute, errors.New("never"))
		defer cancel()
		if at, ok := ctx.Deadline(); !ok || time.Until(at) != time.Second {
			t.Errorf("deadline in %v", time.Until(at))
		}
		<-ctx.Done()
		if context.Cause(ctx) != errBoom {
			t.Errorf("cause %v", context.Cause(ctx))
		}
	})
}

func withTimeout(parent context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc) {
	c := eds.WithTimeout(parent, d, cause)
	return c, c.Cancel
}

func BenchmarkWithTimeout(b *testing.B) {
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		c := eds.WithTimeout(ctx, time.Second, nil)
		if c.Err() != nil {
			b.Fatal("ended")
		}
		c.Cancel()
	}
}

package rediscall

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A call takes no longer than it may, whatever its client does.
func TestWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended, end := context.WithCancelCause(t.Context())
		stopped := errors.New("stopped")
		end(stopped)
		for name, row := range map[string]struct {
			ctx   context.Context
			takes time.Duration
			err   error
			after time.Duration
		}{
			"in time":        {t.Context(), time.Second, nil, time.Second},
			"too late":       {t.Context(), time.Minute, context.DeadlineExceeded, 2 * time.Second},
			"over before it": {ended, 0, stopped, 0},
		} {
			began, called := time.Now(), false
			n, err := Within(row.ctx, 2*time.Second, func(context.Context) (int, error) {
				called = true
				time.Sleep(row.takes) // fake time: a client that does not heed its context
				return 7, nil
			})
			if !errors.Is(err, row.err) || (n == 7) != (err == nil) || time.Since(began) != row.after {
				t.Errorf("%s: %d, %v after %v, want %v after %v", name, n, err, time.Since(began), row.err, row.after)
			}
			if synctest.Wait(); called != (row.ctx != ended) {
				t.Errorf("%s: called: %v", name, called)
			}
		}
		time.Sleep(time.Minute) // fake time: for the call that was given up
	})
}

func TestDiscreet(t *testing.T) {
	unknown := errors.New("ERR unknown command 'AUTH', with args beginning with: 'hunter2'")
	if err := Discreet(unknown); err.Error() != "ERR unknown command 'AUTH'" || !errors.Is(err, unknown) {
		t.Error(err)
	}
	if plain := errors.New("ERR syntax error"); Discreet(plain) != plain {
		t.Error("another error was changed")
	}
}

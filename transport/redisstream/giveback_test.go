package redisstream_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// What fails comes again, until it is permanent or the last attempt.
func TestGiveBack(t *testing.T) {
	w := redisstream.New(nil, stream, group, redisstream.MaxAttempts(3))
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		err     error
		attempt int
		want    eds.Outcome
	}{
		"done":             {nil, 1, eds.Handled},
		"a duplicate":      {eds.ErrDuplicate, 1, eds.Duplicate},
		"failed":           {broken, 1, eds.Redelivered},
		"the last attempt": {broken, 3, eds.Failed},
		"permanent":        {eds.Permanent(broken), 1, eds.Failed},
		"given back":       {eds.Redeliver(broken), 3, eds.Redelivered},
	} {
		t.Run(name, func(t *testing.T) {
			e := event("1")
			e.Attempt = c.attempt
			err := w.GiveBack(func(context.Context, *eds.Event) error { return c.err })(t.Context(), e)
			if got := eds.OutcomeOf(err); got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%v of %v, want %v", got, err, c.want)
			}
		})
	}
}

// An event pauses for as long as its handler says, and no longer than MinIdle.
func TestRetryAfter(t *testing.T) {
	t.Parallel() // it waits most of the time
	server, admin := start(t)
	publish(t, publisher(t, admin), "long", "short")
	// The usual pause would be a minute.
	w := redisstream.New(server.Client(), stream, group, soon(redisstream.MinIdle(3*time.Second), redisstream.NackDelay(time.Minute))...)
	app := eds.New(w, eds.Logger(quiet), eds.Concurrency(2))
	app.Use(w.GiveBack)
	type run struct {
		id      string
		attempt int
		at      time.Time
	}
	runs := make(chan run, 10)
	app.Handle("SAMPLE", func(_ context.Context, e *eds.Event) error {
		runs <- run{e.ID, e.Attempt, time.Now()}
		if e.Attempt > 1 {
			return nil
		}
		if e.ID == "long" {
			return eds.RetryAfter(errors.New("busy"), time.Hour)
		}
		return eds.RetryAfter(errors.New("busy"), 0)
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx) }()
	began := map[string]time.Time{}
	var order []string
	for range 4 {
		r := <-runs
		if r.attempt == 1 {
			began[r.id] = r.at
			continue
		}
		order = append(order, r.id)
		if pause := r.at.Sub(began[r.id]); r.id == "long" && pause < 2900*time.Millisecond {
			t.Errorf("an hour's pause took %v, want MinIdle", pause)
		}
	}
	if order[0] != "short" {
		t.Errorf("order %v, want the short pause to be over first", order)
	}
	await(t, "both to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

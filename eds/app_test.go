package eds_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

func TestRouting(t *testing.T) {
	var got []string
	to := func(name string) eds.Handler {
		return func(context.Context, *eds.Event) error { got = append(got, name); return nil }
	}
	for _, row := range []struct{ eventType, want string }{
		{"TENANT_ONBOARDED", "exact"},
		{"TENANT_ONBOARDED_V2", "longer prefix"},
		{"TENANT_X", "prefix"},
		{"TENANT", "fallback"},
		{"tenant_onboarded", "fallback"},
		{"", "fallback"},
	} {
		got = nil
		bubble(t, func(a *eds.App) {
			a.Handle("TENANT_*", to("prefix"))
			a.Handle("*", to("fallback"))
			a.Handle("TENANT_ONBOARDED", to("exact"))
			a.Handle("TENANT_ONB*", to("longer prefix"))
		}, func(t *testing.T, r *running) {
			r.deliver("1", row.eventType, "R")
			r.want(t, "ack R")
		})
		if len(got) != 1 || got[0] != row.want {
			t.Errorf("%q went to %q, want %q", row.eventType, got, row.want)
		}
	}
}

func TestHandlerMiddleware(t *testing.T) {
	var got []string
	mw := func(name string) eds.Middleware {
		return func(next eds.Handler) eds.Handler {
			return func(ctx context.Context, e *eds.Event) error {
				got = append(got, name)
				return next(ctx, e)
			}
		}
	}
	bubble(t, func(a *eds.App) {
		a.Use(mw("first"), mw("second"))
		a.Use(mw("third"))
		a.Handle("X", func(context.Context, *eds.Event) error { got = append(got, "handler"); return nil }, mw("own"))
	}, func(t *testing.T, r *running) {
		r.deliver("1", "X", "R")
		r.want(t, "ack R")
	})
	if want := "first second third own handler"; strings.Join(got, " ") != want {
		t.Errorf("order %q, want %q", got, want)
	}
}

// broken is a transport that must never be asked for anything.
type broken struct{ *script }

func (broken) Validate() error { return &eds.ConfigError{Setting: "url", Value: "x", Reason: "bad"} }

func TestWiringMistakesAreAllNamed(t *testing.T) {
	ok := func(context.Context, *eds.Event) error { return nil }
	s := newScript()
	app := eds.New(broken{s}, eds.Concurrency(0), nil, eds.HandlerTimeout(-1), eds.DrainTimeout(-1),
		eds.Buffer(0, 1), eds.Buffer(1, 0), eds.OrderBy(nil))
	app.Use(nil)
	app.Handle("X", nil)
	app.Handle("Y", ok, nil)
	app.Handle("A", ok)
	app.Handle("A", ok)
	app.Handle("P*", ok)
	app.Handle("P*", ok)
	app.Handle("a*b", ok)
	app.Handle("", ok)
	err := app.Run(t.Context())
	if err == nil {
		t.Fatal("Run accepted it")
	}
	for _, want := range []string{
		`Concurrency "0"`, "option is nil", `HandlerTimeout "-1ns"`, `DrainTimeout "-1ns"`,
		`Buffer deliveries "0"`, `Buffer bytes "0"`, `OrderBy "nil"`,
		"middleware 1 is nil", `handler for "X" is nil`, `middleware for "Y" is nil`,
		`two handlers for event type "A"`, `two handlers for event types "P*"`,
		`pattern "a*b"`, `pattern ""`, `url "x"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if s.asked != 0 {
		t.Error("the transport was asked for deliveries")
	}
	if _, ok := errors.AsType[*eds.ConfigError](err); !ok {
		t.Error("no *ConfigError in it")
	}
	if err := eds.New(nil).Validate(); err == nil || !strings.Contains(err.Error(), "transport is nil") ||
		!strings.Contains(err.Error(), "no handler is registered") {
		t.Errorf("an empty App: %v", err)
	}
}

func TestContextOutlivesRunsContext(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		app := eds.New(s)
		var value any
		var ended error
		app.Handle("*", func(ctx context.Context, _ *eds.Event) error {
			value = ctx.Value(key{})
			time.Sleep(time.Second)
			ended = ctx.Err()
			return nil
		})
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "v"))
		s.deliver("1", "X", "R")
		go func() { time.Sleep(time.Millisecond); cancel() }()
		if err := app.Run(ctx); err != nil {
			t.Error(err)
		}
		if value != "v" || ended != nil {
			t.Errorf("handler saw value %v and end %v", value, ended)
		}
	})
}

func TestContextAccessors(t *testing.T) {
	bubble(t, handle(func(ctx context.Context, e *eds.Event) error {
		type inner struct{}
		ctx = context.WithValue(ctx, inner{}, 1)
		if d, ok := eds.DeliveryFromContext(ctx); !ok || d.Receipt != "R" {
			t.Errorf("delivery %+v", d)
		}
		if got, ok := eds.EventFromContext(ctx); !ok || got != e {
			t.Errorf("event %+v", got)
		}
		return nil
	}), func(t *testing.T, r *running) {
		r.deliver("1", "X", "R")
		r.want(t, "ack R")
	})
	if _, ok := eds.DeliveryFromContext(t.Context()); ok {
		t.Error("a delivery outside of an App")
	}
	if eds.RunID(t.Context()) != 0 {
		t.Error("a run outside of an App")
	}
}

func TestOutcomeOf(t *testing.T) {
	for _, row := range []struct {
		err  error
		want eds.Outcome
	}{
		{nil, eds.Handled},
		{errBoom, eds.Failed},
		{eds.Permanent(errBoom), eds.Failed},
		{eds.RetryAfter(errBoom, time.Second), eds.Failed},
		{eds.ErrDuplicate, eds.Duplicate},
		{eds.ErrUnsupported, eds.Unsupported},
		{eds.Redeliver(eds.ErrDuplicate), eds.Redelivered},
		{eds.DeadLettered(eds.Redeliver(errBoom)), eds.DeadLetter},
		{eds.Redeliver(eds.DeadLettered(errBoom)), eds.Redelivered},
		{errors.Join(errBoom, eds.Redeliver(nil)), eds.Redelivered},
	} {
		if got := eds.OutcomeOf(row.err); got != row.want {
			t.Errorf("OutcomeOf(%v) = %v, want %v", row.err, got, row.want)
		}
	}
	if eds.Permanent(nil) != nil || eds.RetryAfter(nil, 1) != nil || eds.DeadLettered(nil) != nil {
		t.Error("a mark on nil is not nil")
	}
	if d, ok := eds.RetryDelay(eds.RetryAfter(errBoom, -1)); !ok || d != 0 {
		t.Errorf("RetryDelay = %v, %v", d, ok)
	}
	if !errors.Is(&eds.PanicError{Value: errBoom}, errBoom) {
		t.Error("a panic with an error does not unwrap to it")
	}
}

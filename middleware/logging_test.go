package middleware

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
)

var discard = slog.New(slog.DiscardHandler)

// logged runs one event through Logging and returns its lines, parsed.
func logged(t *testing.T, h eds.Handler, e *eds.Event, opts ...LoggingOption) []map[string]any {
	t.Helper()
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
	_ = Logging(log, opts...)(h)(t.Context(), e)
	var lines []map[string]any
	for line := range strings.Lines(out.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		lines = append(lines, m)
	}
	if strings.Contains(out.String(), "payload") {
		t.Errorf("the payload was logged: %s", out.String())
	}
	return lines
}

func TestLoggingWritesOneLinePerEvent(t *testing.T) {
	for want, c := range map[string]struct {
		err   error
		level string
	}{
		"handled":       {nil, "INFO"},
		"duplicate":     {eds.ErrDuplicate, "INFO"},
		"unsupported":   {eds.ErrUnsupported, "INFO"},
		"dead-lettered": {eds.DeadLettered(errBoom), "ERROR"},
		"failed":        {errBoom, "ERROR"},
		"redeliver":     {eds.Redeliver(errBoom), "WARN"},
	} {
		t.Run(want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lines := logged(t, func(context.Context, *eds.Event) error { time.Sleep(time.Second); return c.err }, event())
				if len(lines) != 1 {
					t.Fatalf("%d lines", len(lines))
				}
				wanted := map[string]any{
					"level": c.level, "msg": "event " + want, KeyOutcome: want,
					KeyEventType: "TENANT_ONBOARDED", KeyEventID: "e-1", KeySource: "eds://eds.example:8443/my-queue",
					KeyDuration: float64(time.Second),
				}
				if c.err != nil {
					wanted[KeyErr] = c.err.Error()
				}
				delete(lines[0], "time")
				if !maps.Equal(lines[0], wanted) {
					t.Fatalf("got  %v\nwant %v", lines[0], wanted)
				}
			})
		})
	}
}

func TestLoggingSaysWhichAttempt(t *testing.T) {
	e := event()
	e.Attempt = 4
	if line := logged(t, always(nil), e)[0]; line[KeyAttempt] != 4.0 {
		t.Fatal(line)
	}
}

func TestLoggingHasTheStackOfAPanic(t *testing.T) {
	line := logged(t, Recover()(explode("pow")), event())[0]
	if stack, _ := line[KeyStack].(string); !strings.Contains(stack, "explode") || line[KeyErr] != "eds: handler panicked: pow" {
		t.Fatal(line)
	}
}

func TestLoggingCutsAndEscapes(t *testing.T) {
	e := event()
	e.ID = strings.Repeat("x", 10_000)
	e.Type = "a\nlevel=ERROR msg=forged \xff"
	e.Source = strings.Repeat("ü", 10_000)
	line := logged(t, always(errors.New(strings.Repeat("y", 10_000))), e)[0]
	for key, limit := range map[string]int{KeyEventID: wireLimit, KeySource: wireLimit, KeyErr: errorLimit} {
		if s, _ := line[key].(string); len(s) > limit+len("…") || len(s) < limit-4 {
			t.Errorf("%s has %d bytes", key, len(s))
		}
	}
	if line[KeyEventType] != "a\nlevel=ERROR msg=forged \uFFFD" {
		t.Errorf("%q", line[KeyEventType])
	}
}

func TestLoggingLevels(t *testing.T) {
	line := logged(t, always(nil), event(), Levels(func(eds.Outcome) slog.Level { return slog.LevelDebug }))[0]
	if line["level"] != "DEBUG" {
		t.Fatal(line)
	}
}

// enabledOnly fails the test when it is handed what it did not want.
type enabledOnly struct {
	panicky
	asked []slog.Level
}

func (h *enabledOnly) Enabled(_ context.Context, l slog.Level) bool {
	h.asked = append(h.asked, l)
	return false
}

func TestLoggingAsksWhetherTheLevelIsOn(t *testing.T) {
	h := &enabledOnly{}
	_ = Logging(slog.New(h))(always(errBoom))(t.Context(), event())
	if !slices.Equal(h.asked, []slog.Level{slog.LevelError}) {
		t.Fatal(h.asked)
	}
}

func TestLoggingSurvivesItsHandler(t *testing.T) {
	faults.Covers(t, "C16")
	if err := Logging(slog.New(panicky{}))(always(nil))(t.Context(), event()); err != nil {
		t.Fatalf("an event that was handled became %v", err)
	}
}

func TestLoggingNilIsTheDefault(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(before)
	_ = Logging(nil)(always(nil))(t.Context(), event())
	if !strings.Contains(out.String(), "event handled") {
		t.Fatal(out.String())
	}
}

// The set of sources comes from the wire, too.
func TestLoggingRemembersAFewSourcesOnly(t *testing.T) {
	var out bytes.Buffer
	l := &logging{handler: slog.NewTextHandler(&out, nil), level: defaultLevel, sources: memo[string, slog.Handler]{max: 64}}
	h := l.wrap(always(nil))
	e := event()
	for i := range 1000 {
		e.Source = strings.Repeat("s", i+1)
		_ = h(t.Context(), e)
	}
	if n := len(*l.sources.entries.Load()); n != 64 {
		t.Fatalf("%d sources are remembered", n)
	}
	if n := strings.Count(out.String(), "source=s"); n != 1000 {
		t.Fatalf("%d lines have a source", n)
	}
}

func TestLoggingAllocatesNothing(t *testing.T) {
	h := Logging(slog.New(slog.NewJSONHandler(io.Discard, nil)))(always(nil))
	allocates(t, 0, h)
}

func TestLoggingSaysThatAHandlerCameBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := Logging(slog.New(slog.NewTextHandler(&out, nil)))
		h := func(context.Context, *eds.Event) error { time.Sleep(time.Minute); return nil }
		runApp(t, h, []eds.Middleware{log}, []eds.Event{named("1", "TENANT_X")}, nil, func(*eds.App) { time.Sleep(2 * time.Minute) })
		if n := strings.Count(out.String(), "event failed"); n != 1 {
			t.Errorf("the event has %d lines:\n%s", n, &out)
		}
		if n := strings.Count(out.String(), "handler returned after it was given up"); n != 1 {
			t.Errorf("the return has %d lines:\n%s", n, &out)
		}
	})
}

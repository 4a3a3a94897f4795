package middleware

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
)

func explode(v any) eds.Handler {
	return func(context.Context, *eds.Event) error { panic(v) }
}

func TestRecoverKeepsValueAndStack(t *testing.T) {
	for name, v := range map[string]any{"error": errBoom, "string": "text", "int": 1, "nil": nil} {
		t.Run(name, func(t *testing.T) {
			err := Recover()(explode(v))(t.Context(), event())
			mustBe(t, err, eds.Failed)
			p, ok := errors.AsType[*eds.PanicError](err)
			if !ok || !bytes.Contains(p.Stack, []byte(".explode.")) {
				t.Fatalf("%T without the stack of the panic", err)
			}
			if v == nil {
				if _, isNil := p.Value.(*runtime.PanicNilError); !isNil {
					t.Fatalf("value %#v", p.Value)
				}
			} else if p.Value != v {
				t.Fatalf("value %#v", p.Value)
			}
			if v == errBoom && !errors.Is(err, errBoom) {
				t.Fatal("the panicked error cannot be told")
			}
		})
	}
}

func TestRecoverKeepsTheFirstStack(t *testing.T) {
	first := Recover()(explode("deep"))(t.Context(), event())
	err := Recover()(explode(first))(t.Context(), event())
	if err != first {
		t.Fatalf("%T was wrapped again", err)
	}
}

func TestRecoverDoesNotTouchResults(t *testing.T) {
	for _, want := range []error{nil, errBoom} {
		if err := Recover()(always(want))(t.Context(), event()); err != want {
			t.Fatal(err)
		}
	}
}

func TestRecoverLogsWhenAsked(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	if err := Recover(LogPanics(log))(explode("pow"))(t.Context(), event()); err == nil {
		t.Fatal("no error")
	}
	line := out.String()
	for _, want := range []string{"level=ERROR", "handler panicked", "event.id=e-1", "pow", ".explode."} {
		if !strings.Contains(line, want) {
			t.Errorf("%q is missing in %s", want, line)
		}
	}
	if strings.Contains(line, "secret") {
		t.Error("the payload was logged")
	}
}

func TestRecoverSurvivesItsLogger(t *testing.T) {
	err := Recover(LogPanics(slog.New(panicky{})))(explode("pow"))(t.Context(), event())
	if _, ok := errors.AsType[*eds.PanicError](err); !ok {
		t.Fatal(err)
	}
}

// panicky is a log handler with a bug.
type panicky struct{}

func (panicky) Enabled(context.Context, slog.Level) bool  { return true }
func (panicky) Handle(context.Context, slog.Record) error { panic("log handler bug") }
func (p panicky) WithAttrs([]slog.Attr) slog.Handler      { return p }
func (p panicky) WithGroup(string) slog.Handler           { return p }

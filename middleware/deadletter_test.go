package middleware

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/internal/faults"
)

// shelf is a sink that keeps what it got.
type shelf struct{ letters []*eds.Event }

func (s *shelf) put(_ context.Context, e *eds.Event) error {
	s.letters = append(s.letters, e)
	return nil
}

func TestDeadLetterTakesFailures(t *testing.T) {
	for kind, err := range map[string]error{
		KindError:     errBoom,
		KindPermanent: eds.Permanent(errBoom),
		KindPanic:     &eds.PanicError{Value: "x"},
		KindTimeout:   fmt.Errorf("%w: %w", eds.ErrHandlerTimeout, errBoom),
		KindStuck:     eds.ErrStuck,
		KindGoexit:    eds.ErrGoexit,
	} {
		t.Run(kind, func(t *testing.T) {
			var s shelf
			got := DeadLetter(s.put)(always(err))(t.Context(), event())
			mustBe(t, got, eds.DeadLetter, err)
			if len(s.letters) != 1 {
				t.Fatalf("%d letters", len(s.letters))
			}
			if have := s.letters[0].Attributes[KeyKind]; have != kind {
				t.Fatalf("kind %q, want %q", have, kind)
			}
		})
	}
}

func TestDeadLetterPassesDecisions(t *testing.T) {
	for _, err := range []error{nil, eds.ErrDuplicate, eds.ErrUnsupported, eds.Redeliver(errBoom), eds.DeadLettered(errBoom)} {
		var s shelf
		if got := DeadLetter(s.put)(always(err))(t.Context(), event()); got != err {
			t.Errorf("%v became %v", err, got)
		}
		if len(s.letters) != 0 {
			t.Errorf("%v was stored", err)
		}
	}
}

func TestDeadLetterIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := event()
		e.Attributes = map[string]string{"traceparent": "00-x", KeyError: "of an earlier life"}
		before := maps.Clone(e.Attributes)
		var s shelf
		err := DeadLetter(s.put)(Retry(Attempts(2))(always(errBoom)))(t.Context(), e)
		mustBe(t, err, eds.DeadLetter, errBoom)
		letter := s.letters[0]
		if letter == e || !maps.Equal(e.Attributes, before) {
			t.Fatal("the event itself was changed")
		}
		if letter.ID != e.ID || letter.Type != e.Type || letter.Source != e.Source || string(letter.Payload) != string(e.Payload) {
			t.Fatalf("not whole: %+v", letter)
		}
		want := map[string]string{
			"traceparent": "00-x",
			KeyError:      "boom (attempt 2)",
			KeyTime:       time.Now().UTC().Format(time.RFC3339),
			KeyAttempts:   "2",
			KeyKind:       KindError,
		}
		if !maps.Equal(letter.Attributes, want) {
			t.Fatalf("attributes %v\nwant %v", letter.Attributes, want)
		}
	})
}

// CloudEvents 1.0, "Naming Conventions": lower-case letters and digits, and
// at most 20 of them.
func TestDeadLetterAttributesAreCloudEventsNames(t *testing.T) {
	for _, key := range []string{KeyError, KeyTime, KeyAttempts, KeyKind} {
		if len(key) > 20 || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			t.Errorf("%q", key)
		}
	}
}

func TestDeadLetterCutsTheError(t *testing.T) {
	var s shelf
	long := errors.New(strings.Repeat("ä", 10_000) + "\xff")
	_ = DeadLetter(s.put)(always(long))(t.Context(), event())
	text := s.letters[0].Attributes[KeyError]
	if len(text) > errorLimit+len("…") || !utf8.ValidString(text) {
		t.Fatalf("%d bytes", len(text))
	}
}

func TestDeadLetterNotStoredIsRedelivered(t *testing.T) {
	faults.Covers(t, "C10")
	full := errors.New("disk full")
	for name, sink := range map[string]eds.Handler{
		"error": always(full),
		"panic": explode(full),
	} {
		t.Run(name, func(t *testing.T) {
			err := DeadLetter(sink)(always(errBoom))(t.Context(), event())
			mustBe(t, err, eds.Redelivered, errBoom, full)
			if _, ok := errors.AsType[*SinkError](err); !ok {
				t.Fatalf("%#v", err)
			}
		})
	}
}

func TestDeadLetterOutlivesTheHandlersDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		ctx, cancel := context.WithTimeoutCause(context.WithValue(t.Context(), key{}, "trace"), time.Second, eds.ErrHandlerTimeout)
		defer cancel()
		sink := func(ctx context.Context, _ *eds.Event) error {
			if ctx.Value(key{}) != "trace" {
				t.Error("the context's values are gone")
			}
			time.Sleep(4 * time.Second)
			return ctx.Err()
		}
		mustBe(t, DeadLetter(sink)(func(ctx context.Context, _ *eds.Event) error {
			<-ctx.Done()
			return ctx.Err()
		})(ctx, event()), eds.DeadLetter)
	})
}

func TestDeadLetterSinkHasALimit(t *testing.T) {
	for limit, want := range map[time.Duration]time.Duration{0: 5 * time.Second, time.Second: time.Second} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			err := DeadLetter(func(ctx context.Context, _ *eds.Event) error {
				<-ctx.Done()
				return ctx.Err()
			}, SinkTimeout(limit))(always(errBoom))(t.Context(), event())
			mustBe(t, err, eds.Redelivered, errBoom, context.DeadlineExceeded)
			if time.Since(start) != want {
				t.Fatalf("SinkTimeout(%v): after %v", limit, time.Since(start))
			}
		})
	}
}

func TestDeadLetterSinkEndsWithTheShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { interrupt(eds.ErrShutdown) })
		start := time.Now()
		err := DeadLetter(func(ctx context.Context, _ *eds.Event) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})(always(errBoom))(ctx, event())
		mustBe(t, err, eds.Redelivered, errBoom, eds.ErrShutdown)
		if time.Since(start) != time.Second {
			t.Fatalf("after %v", time.Since(start))
		}
	})
}

func TestDeadLetterLeavesInterruptedWork(t *testing.T) {
	for name, cause := range map[string]error{"shutdown": eds.ErrShutdown, "lease lost": errors.New("lease lost"), "plain": nil} {
		t.Run(name, func(t *testing.T) {
			ctx, interrupt := context.WithCancelCause(t.Context())
			interrupt(cause)
			var s shelf
			mustBe(t, DeadLetter(s.put)(always(errBoom))(ctx, event()), eds.Redelivered, errBoom)
			if len(s.letters) != 0 {
				t.Fatal("it was stored")
			}
		})
	}
}

func TestDeadLetterWithoutSinkIsNil(t *testing.T) {
	if DeadLetter(nil) != nil {
		t.Fatal("not nil")
	}
}

func TestDeadLetterLeavesWhatSaysShutdown(t *testing.T) {
	var s shelf
	mustBe(t, DeadLetter(s.put)(always(fmt.Errorf("commit: %w", eds.ErrShutdown)))(t.Context(), event()), eds.Redelivered, eds.ErrShutdown)
	if len(s.letters) != 0 {
		t.Fatal("it was stored")
	}
}

// The test kit may not import this package, and so spells the attribute out.
func TestDeadLettersOfTheTestKit(t *testing.T) {
	var letters edstest.DeadLetters
	_ = DeadLetter(letters.Handle)(always(errBoom))(t.Context(), event())
	if all := letters.All(); len(all) != 1 || !strings.Contains(all[0].Error, errBoom.Error()) {
		t.Errorf("the test kit has %+v", all)
	}
}

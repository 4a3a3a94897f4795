package middleware

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// The keys of a log line. They are stable: alerts and queries may rely on
// them.
const (
	KeyEventType = "event.type"
	KeyEventID   = "event.id"
	KeySource    = "source"
	KeyAttempt   = "attempt" // only from the second on
	KeyOutcome   = "outcome"
	KeyDuration  = "duration"
	KeyErr       = "err"   // only when there is one
	KeyStack     = "stack" // only after a panic
)

// LoggingOption changes what Logging does.
type LoggingOption func(*logging)

// Levels chooses the level of an event's line by its outcome. The default is
// Info for handled, duplicate and unsupported events, Warn for those that come
// again, Error for failed and dead-lettered ones.
func Levels(level func(eds.Outcome) slog.Level) LoggingOption {
	return func(l *logging) {
		if level != nil {
			l.level = level
		}
	}
}

// Logging writes one line per event, after the event was processed, with the
// keys above. Nil is what slog.Default is at the time of the call. Strings
// from outside are cut to 256 bytes, errors to 1024; escaping them is up to
// the slog handler, and those of the standard library do. The payload is never
// logged.
//
// The line has no source position, which would always be the same. ctx is
// passed on, so that a handler that adds trace ids finds them: put Logging
// inside Tracing.
//
// A handler that returns after the App had given it up gets a line of its own
// that says so; the event's line was written when it was given up.
func Logging(log *slog.Logger, opts ...LoggingOption) eds.Middleware {
	if log == nil {
		log = slog.Default()
	}
	l := &logging{handler: log.Handler(), level: defaultLevel, sources: memo[string, slog.Handler]{max: 64}}
	for _, o := range opts {
		if o != nil {
			o(l)
		}
	}
	return l.wrap
}

type logging struct {
	handler slog.Handler
	level   func(eds.Outcome) slog.Level
	sources memo[string, slog.Handler] // handlers that have formatted the source
}

func defaultLevel(o eds.Outcome) slog.Level {
	switch o {
	case eds.Failed, eds.DeadLetter:
		return slog.LevelError
	case eds.Redelivered:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

func (l *logging) wrap(next eds.Handler) eds.Handler {
	return func(ctx context.Context, e *eds.Event) error {
		start := time.Now()
		err := next(ctx, e)
		l.write(ctx, e, err, start)
		return err
	}
}

// write talks to the handler without the Logger, which would look for the
// caller's position at the price of half the line. Five attributes are what
// a Record holds without an allocation.
func (l *logging) write(ctx context.Context, e *eds.Event, err error, start time.Time) {
	defer contain("middleware: log handler")
	o := eds.OutcomeOf(err)
	level := l.level(o)
	if !l.handler.Enabled(ctx, level) {
		return
	}
	now := time.Now()
	msg := message(o)
	if eds.Abandoned(ctx) {
		msg = "handler returned after it was given up"
	}
	r := slog.NewRecord(now, level, msg, 0)
	r.AddAttrs(
		slog.String(KeyEventType, clip(e.Type, wireLimit)),
		slog.String(KeyEventID, clip(e.ID, wireLimit)),
		slog.String(KeyOutcome, o.String()),
		slog.Duration(KeyDuration, now.Sub(start)),
	)
	if e.Attempt > 1 {
		r.AddAttrs(slog.Int(KeyAttempt, e.Attempt))
	}
	if err != nil {
		r.AddAttrs(slog.String(KeyErr, clip(err.Error(), errorLimit)))
		if stack := stackOf(err); stack != nil {
			r.AddAttrs(slog.String(KeyStack, clip(string(stack), stackLimit)))
		}
	}
	// The handler's own error has nowhere to go: the log is the place.
	_ = l.forSource(e.Source).Handle(ctx, r)
}

// message is "event " and the outcome, without putting them together each time.
func message(o eds.Outcome) string {
	if o >= 0 && int(o) < len(messages) {
		return messages[o]
	}
	return "event " + o.String()
}

var messages = func() (m [eds.Redelivered + 1]string) {
	for o := range m {
		m[o] = "event " + eds.Outcome(o).String()
	}
	return m
}()

func (l *logging) forSource(source string) slog.Handler {
	if h, ok := l.sources.get(source); ok {
		return h
	}
	h := l.handler.WithAttrs([]slog.Attr{slog.String(KeySource, clip(source, wireLimit))})
	if !l.sources.full() {
		l.sources.add(strings.Clone(source), h)
	}
	return h
}

package middleware

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/eventdelivery/eds-go/eds"
)

// RecoverOption changes what Recover does.
type RecoverOption func(*recovery)

// LogPanics has each panic logged where it happens, with its stack. Use it
// beside Retry, when a panic that a later attempt made good for should still
// be seen; Logging shows only the last error of an event. Nil is slog.Default.
func LogPanics(log *slog.Logger) RecoverOption {
	if log == nil {
		log = slog.Default()
	}
	return func(r *recovery) { r.log = log }
}

// Recover turns a panic into an error, an *eds.PanicError with the stack, so
// that Retry, DeadLetter and the telemetry see it like any other failure. Put
// it innermost.
//
// Without it a panic is contained all the same: the App sends the event
// through the chain again with the panic for a result. But nothing retries it
// then. runtime.Goexit cannot be stopped; the App does the same for it, with
// eds.ErrGoexit.
func Recover(opts ...RecoverOption) eds.Middleware {
	r := &recovery{}
	for _, o := range opts {
		if o != nil {
			o(r)
		}
	}
	return r.wrap
}

type recovery struct{ log *slog.Logger }

func (r *recovery) wrap(next eds.Handler) eds.Handler {
	return func(ctx context.Context, e *eds.Event) (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = r.caught(ctx, e, v)
			}
		}()
		return next(ctx, e)
	}
}

func (r *recovery) caught(ctx context.Context, e *eds.Event, v any) error {
	err := panicError(v)
	if r.log != nil {
		r.write(ctx, e, err)
	}
	return err
}

func (r *recovery) write(ctx context.Context, e *eds.Event, err error) {
	defer contain("middleware: log handler")
	r.log.LogAttrs(ctx, slog.LevelError, "handler panicked",
		slog.String(KeyEventType, clip(e.Type, wireLimit)),
		slog.String(KeyEventID, clip(e.ID, wireLimit)),
		slog.String(KeyErr, clip(err.Error(), errorLimit)),
		slog.String(KeyStack, clip(string(stackOf(err)), stackLimit)))
}

// panicError wraps a panic value; one that is an *eds.PanicError already,
// because somebody passed it on, keeps its stack. Call it while the panicking
// stack still stands.
func panicError(v any) error {
	if err, ok := v.(error); ok {
		if _, ok := errors.AsType[*eds.PanicError](err); ok {
			return err
		}
	}
	return &eds.PanicError{Value: v, Stack: debug.Stack()}
}

func stackOf(err error) []byte {
	if p, ok := errors.AsType[*eds.PanicError](err); ok {
		return p.Stack
	}
	return nil
}

func describe(v any) string { return clip(fmt.Sprint(v), errorLimit) }

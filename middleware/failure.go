package middleware

import (
	"context"
	"errors"
	"reflect"

	"go.opentelemetry.io/otel"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/eventdelivery/eds-go/eds"
)

// What kind of failure an event ended with: the value of KeyKind on a dead
// letter, and of error.type in telemetry for all but KindPermanent and
// KindError, where error.type names the error's Go type.
const (
	KindMalformed = "malformed" // the delivery could not be read as an event
	KindPanic     = "panic"     // the handler panicked
	KindGoexit    = "goexit"    // the handler ended its goroutine
	KindStuck     = "stuck"     // the handler did not return after its deadline
	KindTimeout   = "timeout"   // the handler's or an attempt's time was over
	KindPermanent = "permanent" // the handler said that no repetition helps
	KindError     = "error"     // any other error
)

// kindOf classifies the failure err of the event that ctx belongs to.
func kindOf(ctx context.Context, err error) string {
	if malformed(ctx) {
		return KindMalformed
	}
	if _, ok := errors.AsType[*eds.PanicError](err); ok {
		return KindPanic
	}
	switch {
	case errors.Is(err, eds.ErrStuck):
		return KindStuck
	case errors.Is(err, eds.ErrGoexit):
		return KindGoexit
	case errors.Is(err, eds.ErrHandlerTimeout), errors.Is(err, context.DeadlineExceeded):
		return KindTimeout
	case eds.IsPermanent(err):
		return KindPermanent
	}
	return KindError
}

// errorType is the value of the error.type attribute: a kind of ours, what
// the error's own ErrorType method says, or its Go type. Never its text,
// which is different each time.
func errorType(ctx context.Context, err error) string {
	if kind := kindOf(ctx, err); kind != KindError && kind != KindPermanent {
		return kind
	}
	return clip(semconv.ErrorType(innermost(err)).Value.AsString(), wireLimit)
}

// innermost takes off the wrappers that say nothing about the error's type:
// those of the eds package and of this one, and errors.Join.
func innermost(err error) error {
	for {
		var inner error
		switch w := err.(type) { //nolint:errorlint // takes off one wrapper after the other
		case interface{ Unwrap() []error }:
			if joined := w.Unwrap(); len(joined) > 0 {
				inner = joined[0]
			}
		case interface{ Unwrap() error }:
			if t := reflect.TypeOf(err); t.Kind() == reflect.Pointer {
				switch t.Elem().PkgPath() {
				case edsPath, ownPath, "fmt":
					inner = w.Unwrap()
				}
			}
		}
		if inner == nil {
			return err
		}
		err = inner
	}
}

var (
	edsPath = reflect.TypeFor[eds.Event]().PkgPath()
	ownPath = reflect.TypeFor[GaveUpError]().PkgPath()
)

// failed tells whether an outcome is an error in telemetry. An event that
// comes again is postponed, not failed, unless the reason is that its dead
// letter could not be stored.
func failed(o eds.Outcome, err error) bool {
	switch o {
	case eds.Failed, eds.DeadLetter:
		return true
	case eds.Redelivered:
		_, ok := errors.AsType[*SinkError](err)
		return ok
	default:
		return false
	}
}

// malformed tells whether the event is only what is left of an unreadable
// delivery.
func malformed(ctx context.Context) bool {
	d, ok := eds.DeliveryFromContext(ctx)
	return ok && d.Err != nil
}

// interrupted tells whether ctx was ended from outside (a shutdown, a lost
// lease) rather than by its deadline: what fails then is not the event's
// fault.
func interrupted(ctx context.Context) bool {
	return errors.Is(ctx.Err(), context.Canceled)
}

// contain keeps a panic of a log handler or an exporter away from the event,
// which would count as failed although it was handled. Defer it.
func contain(what string) {
	if v := recover(); v != nil {
		otel.Handle(&eds.PanicError{Value: what + ": " + describe(v)})
	}
}

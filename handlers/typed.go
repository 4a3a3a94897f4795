package handlers

import (
	"context"
	"reflect"

	"github.com/eventdelivery/eds-go/eds"
)

// Typed returns a Handler that decodes the payload into a T and calls fn with
// it.
//
//	app.Handle(empego.TypeTenantOnboarded, handlers.Typed(
//		func(ctx context.Context, t empego.TenantOnboarded) error {
//			return crm.Create(ctx, t.TenantID)
//		}))
//
// The json tags of encoding/json apply, and so do its interfaces
// (json.Unmarshaler, encoding.TextUnmarshaler) and [json.Number]. The decoder
// is that of encoding/json/v2, which differs from encoding/json where a silent
// guess could go wrong:
//
//   - member names must match in case; "TenantID" does not fill a field
//     tagged "tenantId". The tag option "case:ignore" permits it for a field;
//   - a name that occurs twice in an object is an error, and so is invalid
//     UTF-8;
//   - a number in an interface value (any, map[string]any) is a [json.Number]
//     with the digits as they came, never a float64;
//   - a Go array must have the length of the JSON array, and a [N]byte is
//     Base64 text as a []byte is;
//   - the tag option "string" applies to numbers alone.
//
// Unknown members are ignored unless the option [Strict] is given. When T or
// *T has a method Validate() error, it is called before fn.
//
// A payload that is null or absent is an error for which
// errors.Is(err, ErrNoPayload) holds, since a T full of zeros looks like data.
// A T that can say "nothing" gets it: pointers, maps, slices and interfaces
// are nil (Validate is not called on a nil pointer), a struct without fields
// is what it is.
//
// Errors of decoding are *[DecodeError], those of Validate *[ValidationError];
// both are marked with [eds.Permanent], since no repetition mends a payload.
// The Handler keeps no state and may be called concurrently; T is a new value
// each time and shares no memory with the event.
func Typed[T any](fn func(ctx context.Context, t T) error, opts ...Option) eds.Handler {
	if fn == nil {
		return nil // App.Handle refuses it, with the event type's name
	}
	decode := newDecoder(reflect.TypeFor[T](), opts)
	return func(ctx context.Context, e *eds.Event) error {
		var t T
		if err := decode.into(e.Payload, &t); err != nil {
			return err
		}
		return fn(ctx, t)
	}
}

// TypedEvent is Typed for a function that also wants the Event, such as its
// ID as an idempotency key or its Attempt as a fencing number.
func TypedEvent[T any](fn func(ctx context.Context, e *eds.Event, t T) error, opts ...Option) eds.Handler {
	if fn == nil {
		return nil // as in Typed
	}
	decode := newDecoder(reflect.TypeFor[T](), opts)
	return func(ctx context.Context, e *eds.Event) error {
		var t T
		if err := decode.into(e.Payload, &t); err != nil {
			return err
		}
		return fn(ctx, e, t)
	}
}

// Option is a setting of Typed and TypedEvent.
type Option interface{ apply(*decoder) }

// Strict refuses payloads with members that T has no field for. Mind that a
// service may add members at any time; every event of the type is then
// dead-lettered until T knows them. Use it in tests, and for events of your own.
func Strict() Option { return strict{} }

type strict struct{}

func (strict) apply(d *decoder) { d.strict = true }

package handlers

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ErrNoPayload is what a DecodeError wraps when the payload is null or absent
// and T has no value for that.
var ErrNoPayload = errors.New("there is no payload")

// DecodeError says that a payload is not the JSON of a T. Test for it with
// errors.As.
//
// Neither it nor what it wraps holds a value from the payload, so that it may
// be logged. Names of members that are fields of T are shown in Path; keys of
// maps, which are data, are shown as *.
type DecodeError struct {
	// Type is the Go type that was wanted.
	Type string
	// Path is a JSON pointer (RFC 6901) to the place; "" is the whole payload.
	Path string
	// Offset is the byte after which the trouble began; 0 when it is the start
	// or not known.
	Offset int64
	// Reason says what is wrong there.
	Reason string

	absent bool
}

func (e *DecodeError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "handlers: payload is no %s", e.Type)
	if e.Path != "" {
		fmt.Fprintf(&b, ", at %q", e.Path)
	}
	if e.Offset > 0 {
		fmt.Fprintf(&b, " (offset %d)", e.Offset)
	}
	return b.String() + ": " + e.Reason
}

// Unwrap returns ErrNoPayload or nil. The decoder's own error is not there:
// it may quote the payload.
func (e *DecodeError) Unwrap() error {
	if e.absent {
		return ErrNoPayload
	}
	return nil
}

// ErrorType is a name of low cardinality for metrics and spans.
func (e *DecodeError) ErrorType() string { return "decode_error" }

// ValidationError says that T's Validate refused what was decoded. Test for
// it with errors.As.
//
// Its text is that of Validate's error, which should not quote the payload.
type ValidationError struct {
	// Type is the Go type that was validated.
	Type string
	// Err is what Validate returned.
	Err error
}

func (e *ValidationError) Error() string {
	return fmt.Sprintf("handlers: %s is not valid: %v", e.Type, e.Err)
}

func (e *ValidationError) Unwrap() error { return e.Err }

// ErrorType is a name of low cardinality for metrics and spans.
func (e *ValidationError) ErrorType() string { return "validation_error" }

// newDecodeError says again what the decoder said, without what it quotes.
func newDecodeError(t reflect.Type, err error) *DecodeError {
	d := &DecodeError{Type: t.String()}
	if s, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		d.Path, d.Offset = safePath(t, s.JSONPointer), s.ByteOffset
		d.Reason = "not valid JSON"
		if errors.Is(s, jsontext.ErrDuplicateName) {
			d.Reason = "a member occurs twice"
		}
		return d
	}
	s, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		// Such as the end of the input before the end of the value.
		d.Reason = "not valid JSON"
		return d
	}
	d.Path, d.Offset = safePath(t, s.JSONPointer), s.ByteOffset
	switch {
	case errors.Is(s.Err, json.ErrUnknownName):
		d.Path = safePath(t, s.JSONPointer.Parent())
		d.Reason = "unknown member " + shortQuote(s.JSONPointer.LastToken())
	case s.Err == nil || errors.Is(s.Err, errNotNumber):
		d.Reason = fmt.Sprintf("%s does not fit %v", kindName(s.JSONKind), s.GoType)
	case errors.Is(s.Err, strconv.ErrRange):
		d.Reason = fmt.Sprintf("%s is out of range for %v", kindName(s.JSONKind), s.GoType)
	case errors.Is(s.Err, strconv.ErrSyntax):
		d.Reason = fmt.Sprintf("%s has the wrong form for %v", kindName(s.JSONKind), s.GoType)
	default:
		d.Reason = fmt.Sprintf("%s is refused by %v", kindName(s.JSONKind), s.GoType)
	}
	return d
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{', '}':
		return "an object"
	case '[', ']':
		return "an array"
	}
	return "the value"
}

// shortQuote makes a member name from outside fit for a message.
func shortQuote(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strconv.Quote(s)
}

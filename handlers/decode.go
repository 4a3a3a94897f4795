package handlers

import (
	stdjson "encoding/json"
	"errors"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"github.com/eventdelivery/eds-go/eds"
)

// decoder is what Typed knows of its T. The part that depends on the type
// parameter ends there, so this code exists once.
type decoder struct {
	typ      reflect.Type
	strict   bool
	nullable bool // T has a value that stands for "nothing"
	validate func(target any) error
	options  json.Options
}

func newDecoder(typ reflect.Type, opts []Option) *decoder {
	d := &decoder{typ: typ, nullable: nullable(typ), validate: validator(typ)}
	for _, o := range opts {
		if o != nil {
			o.apply(d)
		}
	}
	all := []json.Options{
		json.RejectUnknownMembers(d.strict),
		// Without it a time.Duration is an error; encoding/json reads nanoseconds.
		jsonv1.FormatDurationAsNano(true),
	}
	if holds(typ, isNumeric, nil) {
		all = append(all, json.WithUnmarshalers(exactNumbers))
	}
	d.options = json.JoinOptions(all...)
	return d
}

// into decodes payload into target, a *T, and validates it.
func (d *decoder) into(payload []byte, target any) error {
	if len(payload) == 0 || isNull(payload) {
		if !d.nullable {
			return eds.Permanent(&DecodeError{Type: d.typ.String(), Reason: ErrNoPayload.Error(), absent: true})
		}
		if len(payload) == 0 {
			payload = null
		}
	}
	if err := json.Unmarshal(payload, target, d.options); err != nil {
		return eds.Permanent(newDecodeError(d.typ, err))
	}
	if d.validate != nil {
		if err := d.validate(target); err != nil {
			return eds.Permanent(&ValidationError{Type: d.typ.String(), Err: err})
		}
	}
	return nil
}

var null = []byte("null")

func isNull(payload []byte) bool {
	v := jsontext.Value(payload)
	return v.Kind() == 'n' && v.IsValid()
}

func nullable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return true
	case reflect.Struct:
		return t.NumField() == 0
	}
	return false
}

// validates is what a T may have.
type validates interface{ Validate() error }

// validator returns the call of T's Validate, given a *T; nil when there is none.
func validator(t reflect.Type) func(target any) error {
	wanted := reflect.TypeFor[validates]()
	switch {
	case t.Kind() == reflect.Pointer && t.Implements(wanted):
		return func(target any) error {
			if v := reflect.ValueOf(target).Elem(); !v.IsNil() {
				return validate(v.Interface())
			}
			return nil
		}
	case reflect.PointerTo(t).Implements(wanted):
		return validate
	}
	return nil
}

func validate(v any) error {
	if v, ok := v.(validates); ok {
		return v.Validate()
	}
	return nil
}

// exactNumbers keeps numbers as they came where the Go type does not say what
// they are, and knows the Number of encoding/json.
var exactNumbers = json.JoinUnmarshalers(
	json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v *any) error {
		if dec.PeekKind() != '0' {
			return errors.ErrUnsupported // the default way
		}
		number, err := dec.ReadValue()
		if err == nil {
			*v = stdjson.Number(number)
		}
		return err
	}),
	json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v *stdjson.Number) error {
		switch dec.PeekKind() {
		case '0':
			number, err := dec.ReadValue()
			if err == nil {
				*v = stdjson.Number(number)
			}
			return err
		case 'n':
			_, err := dec.ReadToken()
			*v = ""
			return err
		}
		return errNotNumber
	}),
)

var errNotNumber = errors.New("not a number")

func isNumeric(t reflect.Type) bool {
	return t == reflect.TypeFor[stdjson.Number]() || t.Kind() == reflect.Interface
}

// holds reports whether t, or a type within it, satisfies found. What
// exactNumbers does costs nothing where there is no such type.
func holds(t reflect.Type, found func(reflect.Type) bool, seen map[reflect.Type]bool) bool {
	if found(t) {
		return true
	}
	if seen[t] {
		return false
	}
	if seen == nil {
		seen = make(map[reflect.Type]bool)
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return holds(t.Elem(), found, seen)
	case reflect.Struct:
		for f := range t.Fields() {
			if holds(f.Type, found, seen) {
				return true
			}
		}
	}
	return false
}

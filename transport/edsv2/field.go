package edsv2

import (
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// field is a value as it was written.
type field struct {
	raw     []byte
	kind    kind
	escaped bool
}

type kind uint8

const (
	absent kind = iota
	null
	text
	scalar // a number or a boolean
	composite
)

func fieldOf(raw []byte, escaped bool) field {
	switch raw[0] {
	case '"':
		return field{raw, text, escaped}
	case 'n':
		return field{raw, null, false}
	case '{', '[':
		return field{raw, composite, false}
	}
	return field{raw, scalar, false}
}

// fault says why the field is no identity.
func (v *field) fault(name string) error {
	switch {
	case v.kind == absent:
		return fmt.Errorf("%s is missing", name)
	case v.kind == null:
		return fmt.Errorf("%s is null", name)
	case v.kind != text:
		return fmt.Errorf("%s is not a string", name)
	case len(v.quoted()) == 0:
		return fmt.Errorf("%s is empty", name)
	}
	n := len(v.quoted())
	if v.escaped {
		plain, ok := unescape(nil, v.quoted())
		if !ok {
			return fmt.Errorf("%s has half a surrogate pair", name)
		}
		n = len(plain)
	}
	if n > maxID {
		return fmt.Errorf("%s is longer than %d bytes", name, maxID)
	}
	return nil
}

// is tells whether the field is the string s.
func (v *field) is(s string) bool {
	if v.kind != text {
		return false
	}
	if !v.escaped {
		return string(v.quoted()) == s
	}
	plain, ok := unescape(nil, v.quoted())
	return ok && string(plain) == s
}

// quoted returns what lies between the quotes of a field of kind text.
func (v *field) quoted() []byte { return v.raw[1 : len(v.raw)-1] }

// append appends the string that the field is.
func (v *field) append(dst []byte) ([]byte, bool) {
	if v.escaped {
		return unescape(dst, v.quoted())
	}
	return append(dst, v.quoted()...), true
}

// unescape appends the string of which raw is the JSON form; false when raw
// has half a surrogate pair, which no string can hold. The scanner has
// checked that raw is valid.
func unescape(dst, raw []byte) ([]byte, bool) {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '\\' {
			dst = append(dst, c)
			continue
		}
		i++
		switch c := raw[i]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(raw[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				if len(raw) < i+7 || raw[i+1] != '\\' || raw[i+2] != 'u' {
					return dst, false
				}
				low, _ := hex4(raw[i+3:])
				if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
					return dst, false
				}
				i += 6
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
	}
	return dst, true
}

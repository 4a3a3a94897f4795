package eightbyeight

import (
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/eventdelivery/eds-go/internal/vcc"
)

var errNoObject = errors.New("not an object")

// decode reads a body from dec into fields, a pointer to a struct that decodes
// by its fields alone. The options of dec apply to it.
func decode(dec *jsontext.Decoder, fields any) error {
	if dec.PeekKind() != '{' {
		if err := dec.SkipValue(); err != nil {
			return err
		}
		return errNoObject
	}
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	inner, data := unwrap(raw)
	if data != nil {
		// The members of a flat body's "data" are fields too, and those beside
		// it come later, so that they win.
		if err := json.Unmarshal(data, fields, dec.Options()); err != nil {
			return err
		}
	}
	return json.Unmarshal(inner, fields, dec.Options())
}

// unwrap returns the object that has the fields of a body: that which a known
// family wraps, or the only member, or else the body itself. data is the
// object of that name in a body that is not wrapped, or nil. The mapper of
// package streaming8x8 goes by the same rule.
func unwrap(body []byte) (fields, data []byte) {
	s := skipper{body, 1}
	count, isObject := 0, false
	var last []byte
	for name, value := range s.members {
		count++
		isObject = value[0] == '{'
		last = value
		switch {
		case vcc.IsFamily(name) && isObject:
			return value, nil
		case vcc.IsFamily(name):
			return []byte("{}"), nil // "" stands for an empty object
		case isObject && string(name) == "data":
			data = value
		}
	}
	if count == 1 && isObject {
		return last, nil
	}
	return body, data
}

// skipper walks through JSON that is known to be valid.
type skipper struct {
	json []byte
	pos  int
}

// members hands out the members of the object behind whose brace s stands. A
// name is the text between its quotes.
func (s *skipper) members(yield func(name, value []byte) bool) {
	for s.space() != '}' {
		start := s.pos
		s.value()
		name := s.json[start+1 : s.pos-1]
		s.space()
		start = s.pos
		s.value()
		if !yield(name, s.json[start:s.pos]) {
			return
		}
	}
}

// space passes over white space, commas and colons, and returns what follows.
func (s *skipper) space() byte {
	for {
		switch c := s.json[s.pos]; c {
		case ' ', '\n', '\t', '\r', ',', ':':
			s.pos++
		default:
			return c
		}
	}
}

// value passes over a value.
func (s *skipper) value() {
	depth := 0
	for {
		switch s.json[s.pos] {
		case '"':
			s.text()
		case '{', '[':
			depth++
			s.pos++
		case '}', ']':
			depth--
			s.pos++
		default:
			s.pos++
			if depth == 0 {
				s.literal()
			}
		}
		if depth == 0 {
			return
		}
	}
}

// text passes over a string.
func (s *skipper) text() {
	for s.pos++; s.json[s.pos] != '"'; s.pos++ {
		if s.json[s.pos] == '\\' {
			s.pos++
		}
	}
	s.pos++
}

// literal passes over the rest of a number, a boolean or null.
func (s *skipper) literal() {
	for s.pos < len(s.json) {
		switch s.json[s.pos] {
		case ',', '}', ']', ' ', '\n', '\t', '\r':
			return
		}
		s.pos++
	}
}

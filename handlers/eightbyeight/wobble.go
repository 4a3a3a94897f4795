package eightbyeight

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// UnmarshalJSON takes any value and never fails on valid JSON; so do those of
// the other types.
func (t *Text) UnmarshalJSON(b []byte) error { *t = Text(text(b)); return nil }

// UnmarshalJSON is as that of Text.
func (n *Number) UnmarshalJSON(b []byte) error { *n = Number(text(b)); return nil }

// UnmarshalJSON is as that of Text.
func (b *Bool) UnmarshalJSON(v []byte) error { *b = Bool(text(v)); return nil }

// UnmarshalJSON is as that of Text.
func (s *Seconds) UnmarshalJSON(b []byte) error { *s = Seconds(text(b)); return nil }

// UnmarshalJSON is as that of Text.
func (m *Millis) UnmarshalJSON(b []byte) error { *m = Millis(text(b)); return nil }

// UnmarshalJSON is as that of Text.
func (n *Nanos) UnmarshalJSON(b []byte) error { *n = Nanos(text(b)); return nil }

// UnmarshalJSON is as that of Text.
func (e *Elapsed) UnmarshalJSON(b []byte) error { *e = Elapsed(text(b)); return nil }

// text returns the value that b is the JSON of, without quotes.
func text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	switch b[0] {
	case '"':
		if bytes.IndexByte(b, '\\') < 0 {
			return string(b[1 : len(b)-1])
		}
		// An error says that something was replaced that no string can hold.
		plain, _ := jsontext.AppendUnquote(nil, b)
		return string(plain)
	case 'n':
		return ""
	case 't':
		return "true"
	case 'f':
		return "false"
	}
	return string(b)
}

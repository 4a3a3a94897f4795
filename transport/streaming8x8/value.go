package streaming8x8

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// value is the JSON of a value, a part of the payload; nil when it is missing.
type value []byte

// text returns what the value says, with or without quotes around it; nothing
// for null, objects and arrays.
func (v value) text() []byte {
	if len(v) == 0 {
		return nil
	}
	switch v[0] {
	case '"':
		if bytes.IndexByte(v, '\\') < 0 {
			return v[1 : len(v)-1]
		}
		// The decoder has checked the value; an error says that it replaced
		// half a surrogate pair or a byte that is not UTF-8.
		text, _ := jsontext.AppendUnquote(nil, v)
		return text
	case 'n', '{', '[':
		return nil
	}
	return v
}

// first returns the first of vs that says something.
func first(vs ...value) value {
	for _, v := range vs {
		if len(v.text()) > 0 {
			return v
		}
	}
	return nil
}

// Package cloudevent writes an eds.Event as one line of CloudEvents 1.0 JSON
// (structured mode) and reads it back without loss.
//
// What an Event holds beyond CloudEvents travels in extensions:
//
//	edsqueue     Event.Queue
//	edsattempt   Event.Attempt, unless it is 0
//	edsmissing   which of id, source and type the event lacks; they hold a stand-in
//	edsescaped   which attributes are percent-encoded because they hold
//	             characters that CloudEvents does not allow
//	edsattr...   an entry of Event.Attributes whose name is no valid extension
//	             name, escaped: z and two hexadecimal digits for each byte that
//	             is not a lower-case letter other than z, or a digit
//
// All other entries of Event.Attributes are extensions under their own name;
// so are subject, dataschema and a foreign datacontenttype, which CloudEvents
// knows and an Event does not.
//
// Two things are not kept: white space between the tokens of the payload, and
// the difference between a payload that is null and none.
package cloudevent

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/eventdelivery/eds-go/eds"
)

const (
	// JSON is the datacontenttype of a payload that is JSON.
	JSON = "application/json"
	// Binary is the datacontenttype of a payload that is not.
	Binary = "application/octet-stream"

	queueName   = "edsqueue"
	attemptName = "edsattempt"
	missingName = "edsmissing"
	escapedName = "edsescaped"
)

// Append appends e as one line of compact JSON, without a line break at its
// end. The line is valid UTF-8 and a valid CloudEvent whatever e holds: a
// payload that is not JSON becomes data_base64, a missing id, source or type
// gets a stand-in that Parse takes away again.
func Append(dst []byte, e *eds.Event) []byte {
	var room [16]Attribute
	dst = append(dst, `{"specversion":"1.0"`...)
	for _, a := range context(room[:0], e) {
		dst = appendMember(dst, a.Name)
		if a.number {
			dst = append(dst, a.Value...)
		} else {
			dst = appendString(dst, a.Value)
		}
	}
	if t, ok := canonicalTime(e.Time); ok {
		dst = append(dst, `,"time":"`...)
		dst = t.AppendFormat(dst, time.RFC3339Nano)
		dst = append(dst, '"')
	}
	return append(appendData(dst, e), '}')
}

// appendData appends datacontenttype and data, or data_base64.
func appendData(dst []byte, e *eds.Event) []byte {
	start := len(dst)
	dst = appendMember(dst, "datacontenttype")
	dst = appendString(dst, ContentType(e, true))
	dst = appendMember(dst, "data")
	if len(e.Payload) == 0 {
		return append(dst, "null"...)
	}
	if body, ok := appendCompact(dst, e.Payload); ok {
		return body
	}
	dst = appendMember(dst[:start], "datacontenttype")
	dst = appendString(dst, ContentType(e, false))
	dst = append(appendMember(dst, "data_base64"), '"')
	dst = base64.StdEncoding.AppendEncode(dst, e.Payload)
	return append(dst, '"')
}

// appendCompact appends payload without the white space between its tokens
// and reports whether it is JSON in UTF-8; otherwise it appends nothing.
// Names that occur twice and lone surrogates in escapes are kept as they are:
// RFC 8259 allows them.
func appendCompact(dst, payload []byte) ([]byte, bool) {
	if !utf8.Valid(payload) || tooDeep(payload) {
		return dst, false
	}
	out, err := jsontext.AppendFormat(dst, payload, verbatim)
	if err != nil {
		return dst, false
	}
	return out, true
}

// verbatim keeps every token byte for byte. That the text is UTF-8 is
// checked beforehand: the option that accepts invalid UTF-8 is needed for
// escaped lone surrogates.
var verbatim = json.JoinOptions(
	jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true), jsontext.PreserveRawStrings(true))

// tooDeep reports whether payload nests so deep that the line around it, one
// level more, would be refused by readers: encoding/json and jsontext both
// stop at 10,000 levels.
func tooDeep(payload []byte) bool {
	if bytes.Count(payload, []byte{'['})+bytes.Count(payload, []byte{'{'}) < 9_990 {
		return false
	}
	wrapped := slices.Concat([]byte("[["), payload, []byte("]]"))
	return !jsontext.Value(wrapped).IsValid(verbatim)
}

// canonicalTime returns t in a form that RFC 3339 can hold, and false when
// there is none, as for the zero time.
func canonicalTime(t time.Time) (time.Time, bool) {
	if t.IsZero() {
		return t, false
	}
	if _, offset := t.Zone(); offset%60 != 0 || offset <= -24*3600 || offset >= 24*3600 {
		t = t.UTC()
	}
	if y := t.Year(); y < 0 || y > 9999 {
		t = t.UTC()
	}
	if y := t.Year(); y < 0 || y > 9999 {
		return t, false
	}
	return t, true
}

func appendMember(dst []byte, name string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

// appendString quotes s, which holds no control characters.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '\\' {
			dst = append(append(dst, s[start:i]...), '\\', c)
			start = i + 1
		}
	}
	return append(append(dst, s[start:]...), '"')
}

// ID returns the id that e has as a CloudEvent: its own, or the stand-in.
func ID(e *eds.Event) string {
	if e.ID == "" {
		return standIn(e)
	}
	return e.ID
}

// standIn makes an id for an event that has none: the same for the same
// bytes, so that copies of one unreadable frame are recognised.
func standIn(e *eds.Event) string {
	sum := sha256.Sum256(e.Payload)
	return "unreadable-" + hex.EncodeToString(sum[:16])
}

// IsJSON reports whether payload is JSON in UTF-8, by the rules of appendCompact.
func IsJSON(payload []byte) bool {
	return utf8.Valid(payload) && jsontext.Value(payload).IsValid(verbatim)
}

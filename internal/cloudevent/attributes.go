package cloudevent

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/eventdelivery/eds-go/eds"
)

// Attribute is a context attribute in the canonical string form of
// CloudEvents. Value holds neither control characters nor invalid UTF-8.
type Attribute struct {
	Name, Value string

	number bool
}

// Attributes returns the context attributes of e as another binding than
// JSON needs them: specversion and time among them, datacontenttype not.
func Attributes(e *eds.Event) []Attribute {
	attrs := make([]Attribute, 1, 8+len(e.Attributes))
	attrs[0] = Attribute{Name: "specversion", Value: "1.0"}
	attrs = context(attrs, e)
	if t, ok := canonicalTime(e.Time); ok {
		attrs = append(attrs, Attribute{Name: "time", Value: t.Format(time.RFC3339Nano)})
	}
	return attrs
}

// ContentType returns the media type of e's payload, given whether that is JSON.
func ContentType(e *eds.Event, isJSON bool) string {
	if foreign, ok := foreignContentType(e); ok {
		return foreign
	}
	if isJSON {
		return JSON
	}
	return Binary
}

// context appends all attributes of e except for specversion, time and
// datacontenttype, in a steady order. It allocates only for what must be
// escaped.
func context(attrs []Attribute, e *eds.Event) []Attribute {
	first := len(attrs)
	id, source, typ := e.ID, e.Source, e.Type
	missing := ""
	if id == "" {
		id, missing = ID(e), "id"
	}
	if source == "" {
		source, missing = "eds:unknown", join(missing, "source")
	}
	if typ == "" {
		typ, missing = "eds.unreadable", join(missing, "type")
	}
	attrs = append(attrs,
		Attribute{Name: "id", Value: id}, Attribute{Name: "source", Value: source}, Attribute{Name: "type", Value: typ})
	if e.Queue != "" {
		attrs = append(attrs, Attribute{Name: queueName, Value: e.Queue})
	}
	if e.Attempt != 0 {
		attrs = append(attrs, Attribute{Name: attemptName, Value: strconv.Itoa(e.Attempt), number: true})
	}
	if len(e.Attributes) > 0 {
		attrs = extensions(attrs, e)
	}
	escaped := ""
	for i := first; i < len(attrs); i++ {
		if a := &attrs[i]; !clean(a.Value) {
			a.Value = percentEncode(a.Value)
			escaped = join(escaped, a.Name)
		}
	}
	if missing != "" {
		attrs = append(attrs, Attribute{Name: missingName, Value: missing})
	}
	if escaped != "" {
		attrs = append(attrs, Attribute{Name: escapedName, Value: escaped})
	}
	return attrs
}

// extensions appends the entries of e.Attributes in the order of their names.
func extensions(attrs []Attribute, e *eds.Event) []Attribute {
	first := len(attrs)
	_, foreign := foreignContentType(e)
	for name, value := range e.Attributes {
		if name == "datacontenttype" && foreign {
			continue
		}
		if !plainName(name) || value == "" && (name == "subject" || name == "dataschema") {
			name = escapeName(name)
		}
		attrs = append(attrs, Attribute{Name: name, Value: value})
	}
	slices.SortFunc(attrs[first:], func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) })
	return attrs
}

// foreignContentType returns the datacontenttype of an event that came as a
// CloudEvent with another one than ours.
func foreignContentType(e *eds.Event) (string, bool) {
	value := e.Attributes["datacontenttype"]
	return value, value != "" && value != JSON && value != Binary && clean(value)
}

// plainName reports whether an entry of Event.Attributes can be an extension
// under its own name.
func plainName(name string) bool {
	switch name {
	case "", "specversion", "id", "source", "type", "time", "datacontenttype", "data",
		queueName, attemptName, missingName, escapedName:
		return false
	}
	for i := range len(name) {
		if !lowerAlnum(name[i]) {
			return false
		}
	}
	return !strings.HasPrefix(name, namePrefix)
}

const (
	namePrefix = "edsattr"
	lowerHex   = "0123456789abcdef"
	upperHex   = "0123456789ABCDEF"
)

func lowerAlnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

// escapeName makes an extension name of any string; unescapeName is its inverse.
func escapeName(name string) string {
	out := make([]byte, 0, len(namePrefix)+3*len(name))
	out = append(out, namePrefix...)
	for i := range len(name) {
		if c := name[i]; lowerAlnum(c) && c != 'z' {
			out = append(out, c)
		} else {
			out = append(out, 'z', lowerHex[c>>4], lowerHex[c&15])
		}
	}
	return string(out)
}

func unescapeName(name string) (string, bool) {
	name, ok := strings.CutPrefix(name, namePrefix)
	if !ok {
		return "", false
	}
	return unescape(name, 'z')
}

// clean reports whether s may stand in an attribute: no control characters,
// no invalid UTF-8, no noncharacters (CloudEvents 1.0, section 2.2.2).
func clean(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f {
			return c != 0x7f && c >= ' ' && cleanRunes(s[i:])
		}
	}
	return true
}

func cleanRunes(s string) bool {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || notAllowed(r) {
			return false
		}
		i += size
	}
	return true
}

func notAllowed(r rune) bool {
	return r < ' ' || 0x7f <= r && r <= 0x9f || 0xfdd0 <= r && r <= 0xfdef || r&0xfffe == 0xfffe
}

// percentEncode replaces what is not allowed in an attribute, and the percent
// sign, by percent signs and hexadecimal digits.
func percentEncode(s string) string {
	out := make([]byte, 0, len(s)+8)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == '%' || r == utf8.RuneError && size == 1 || notAllowed(r) {
			for _, c := range []byte(s[i : i+size]) {
				out = append(out, '%', upperHex[c>>4], upperHex[c&15])
			}
		} else {
			out = append(out, s[i:i+size]...)
		}
		i += size
	}
	return string(out)
}

// unescape undoes percentEncode and escapeName: mark and two hexadecimal
// digits stand for a byte.
func unescape(s string, mark byte) (string, bool) {
	if strings.IndexByte(s, mark) < 0 {
		return s, true
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != mark {
			out = append(out, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		hi, lo := unhex(s[i+1]), unhex(s[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		out = append(out, byte(hi<<4|lo))
		i += 2
	}
	return string(out), true
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func join(list, name string) string {
	if list == "" {
		return name
	}
	return list + " " + name
}

// ID returns the id that e has as a CloudEvent: its own, or the stand-in.
func ID(e *eds.Event) string {
	if e.ID == "" {
		return standIn(e)
	}
	return e.ID
}

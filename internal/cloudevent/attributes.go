package cloudevent

import (
	"slices"
	"strconv"
	"strings"
	"time"

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

func join(list, name string) string {
	if list == "" {
		return name
	}
	return list + " " + name
}

package handlers

import (
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// safePath is pointer with every name replaced by * that is not a field's
// name of the Go types along the way: such a name, a key of a map, is data.
func safePath(t reflect.Type, pointer jsontext.Pointer) string {
	var b strings.Builder
	for token := range pointer.Tokens() {
		for t != nil && t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		b.WriteByte('/')
		kind := reflect.Invalid
		if t != nil {
			kind = t.Kind()
		}
		switch {
		case kind == reflect.Struct:
			field, ok := fieldNamed(t, token)
			if !ok {
				b.WriteByte('*')
				t = nil
				continue
			}
			b.WriteString(token)
			t = field
		case kind == reflect.Slice || kind == reflect.Array:
			if isIndex(token) {
				b.WriteString(token)
			} else {
				b.WriteByte('*')
			}
			t = t.Elem()
		case kind == reflect.Map:
			b.WriteByte('*')
			t = t.Elem()
		default:
			b.WriteByte('*')
			t = nil
		}
	}
	return b.String()
}

// fieldNamed returns the type of the field that is called name in JSON, in t
// itself or in a struct that is embedded in it.
func fieldNamed(t reflect.Type, name string) (reflect.Type, bool) {
	for _, f := range reflect.VisibleFields(t) {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "" {
			tag = f.Name
		}
		if f.IsExported() && strings.Trim(tag, "'") == name {
			return f.Type, true
		}
	}
	return nil, false
}

func isIndex(token string) bool {
	return token != "" && strings.Trim(token, "0123456789") == ""
}

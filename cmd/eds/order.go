package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// orderSetting says what events have in common that stay in order among each
// other: key, which is Pulsar's and that of an earlier stream; type, source or
// queue; or data.NAME, a namedApp of the payload.
type orderSetting string

// check names what is wrong with the flag.
func (o orderSetting) check() error {
	switch o {
	case "key", "type", "source", "queue":
		return nil
	}
	if path, ok := strings.CutPrefix(string(o), "data."); ok && path != "" && !strings.Contains("."+path+".", "..") {
		return nil
	}
	return fmt.Errorf("--order-by %q: must be key, type, source, queue, or data.NAME, a namedApp of the payload", string(o))
}

// key is what the event has in common with others; "" when it stands alone.
func (o orderSetting) key(e *eds.Event) string {
	switch o {
	case "key":
		return redisstream.Key(e)
	case "type":
		return e.Type
	case "source":
		return e.Source
	case "queue":
		return e.Queue
	}
	return field(e.Payload, strings.Split(strings.TrimPrefix(string(o), "data."), "."))
}

// field is the string, number or boolean at the path in a JSON object; "" when
// there is none.
func field(object []byte, path []string) string {
	d := jsontext.NewDecoder(bytes.NewReader(object), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for _, name := range path {
		if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
			return ""
		}
		for {
			t, err := d.ReadToken()
			if err != nil || t.Kind() != '"' {
				return ""
			}
			if t.String() == name {
				break
			}
			if d.SkipValue() != nil {
				return ""
			}
		}
	}
	t, err := d.ReadToken()
	if err != nil {
		return ""
	}
	switch t.Kind() {
	case '"', '0', 't', 'f':
		return t.String()
	}
	return ""
}

// lane is the key by which an App keeps order: events without one need not
// wait for each other.
func lane(key func(*eds.Event) string) func(*eds.Event) string {
	return func(e *eds.Event) string {
		if k := key(e); k != "" {
			return "k" + k
		}
		return "i" + e.ID
	}
}

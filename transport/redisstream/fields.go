package redisstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// AttrQueue is the attribute of a received event that names the queue from
// which it came before it was put into a stream.
const AttrQueue = "originqueue"

// attrKey is the attribute for an event's key: the CloudEvents extension
// "partitioning".
const attrKey = "partitionkey"

// Key returns the key with which an event was published, see OrderBy; "" for
// none. Workers that handle several events at once give it to eds.OrderBy.
func Key(e *eds.Event) string { return e.Attributes[attrKey] }

// The fields of an entry. Redis stores names once per block of entries as
// long as all have the same in the same order, so all but the key are always
// written.
const (
	fieldID      = "id"
	fieldType    = "type"
	fieldSource  = "source"
	fieldQueue   = "queue"
	fieldTime    = "time"
	fieldPayload = "payload"
	fieldKey     = "key"
	fieldAttr    = "attr."
)

// appendFields appends the names and values of the fields of e.
func appendFields(args []any, e *eds.Event, key string, attributes map[string]string) []any {
	queue, at := e.Queue, ""
	if origin := attributes[AttrQueue]; origin != "" {
		queue = origin
	}
	if !e.Time.IsZero() {
		at = e.Time.Format(time.RFC3339Nano)
	}
	payload := e.Payload
	if payload == nil {
		payload = []byte{} // nil is no argument of a command
	}
	args = append(args, fieldID, e.ID, fieldType, e.Type, fieldSource, e.Source,
		fieldQueue, queue, fieldTime, at, fieldPayload, payload)
	if key != "" {
		args = append(args, fieldKey, key)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if name != AttrQueue && name != attrKey {
			args = append(args, fieldAttr+name, attributes[name])
		}
	}
	return args
}

// Why an entry cannot be read.
var (
	errNoID      = errors.New("it has no id")
	errNoType    = errors.New("it has no type")
	errNoPayload = errors.New("it has no payload")
)

// queueOf is the Queue of a stream's events. No service has a queue of that
// name: with one that it has, the receiver's record in a shared dedupe store
// would count as the worker's.
func queueOf(stream string) string { return "stream:" + stream }

// decode makes an event of the fields of an entry of stream. With an error the
// event's payload is the whole entry.
func decode(stream, id string, fields map[string]any) (eds.Event, error) {
	text := func(name string) string { s, _ := fields[name].(string); return s }
	e := eds.Event{ID: text(fieldID), Type: text(fieldType), Source: text(fieldSource), Queue: queueOf(stream)}
	if e.Source == "" {
		e.Source = "redis-stream:" + url.PathEscape(stream)
	}
	if at, err := time.Parse(time.RFC3339Nano, text(fieldTime)); err == nil {
		e.Time = at
	}
	attribute := func(name, value string) {
		if e.Attributes == nil {
			e.Attributes = make(map[string]string, 4)
		}
		e.Attributes[name] = value
	}
	for field, value := range fields {
		if name, ok := strings.CutPrefix(field, fieldAttr); ok {
			if s, ok := value.(string); ok {
				attribute(name, s)
			}
		}
	}
	if queue := text(fieldQueue); queue != "" {
		attribute(AttrQueue, queue)
	}
	if key := text(fieldKey); key != "" {
		attribute(attrKey, key)
	}
	payload, has := fields[fieldPayload].(string)
	var err error
	switch {
	case e.ID == "":
		err = errNoID
	case e.Type == "":
		err = errNoType
	case !has:
		err = errNoPayload
	}
	if err != nil {
		e.Payload = whole(fields)
		return e, fmt.Errorf("redisstream: entry %s of stream %q cannot be read: %w", id, stream, err)
	}
	if payload != "" {
		e.Payload = []byte(payload)
	}
	return e, nil
}

// whole is an entry as JSON. What is no UTF-8 in it is replaced.
func whole(fields map[string]any) []byte {
	text, err := json.Marshal(fields)
	if err != nil {
		return []byte("{}") // not with strings for values
	}
	return text
}

package pulsarws

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxID is how long a message id may be. Pulsar's have 20 to 40 characters,
// more when the bits of a batch are in it; a limit keeps cursors small.
const maxID = 4096

// envelope is one message of the service, as far as its members are known. The
// slices point into the message.
type envelope struct {
	members
	in    bytes.Buffer
	dec   jsontext.Decoder
	names map[string]string // of properties, by how they are written
}

type members struct {
	id         string // empty when there is none that could be sent back
	payload    jsontext.Value
	properties map[string]string
	published  time.Time
	happened   time.Time
	key        string
	redelivery int
	encryption jsontext.Value

	control bool  // no message of the topic
	fault   error // why it cannot be read as one
	seen    uint  // one bit for each known member
}

var errNotJSON = errors.New("not a JSON object")

// The decoder takes what a strict one refuses, so that the message id is found
// in an envelope that cannot be read: without it the message could not be
// settled, and would hold a place in the window for ever.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// scan reads data, which must stay as it is until the next scan. Its error
// says that data is not one JSON object, or not all of it; what was found
// before that stays.
func (e *envelope) scan(data []byte) error {
	e.members = members{}
	e.in = *bytes.NewBuffer(data)
	e.dec.Reset(&e.in, lenient...)
	if tok, err := e.dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return errNotJSON
	}
	for e.dec.PeekKind() == '"' {
		name, err := e.dec.ReadValue()
		if err != nil {
			return errNotJSON
		}
		member := memberOf(name)
		if member == properties && e.seen&uint(member) == 0 && e.dec.PeekKind() == '{' {
			if err := e.texts(); err != nil {
				return errNotJSON
			}
			continue
		}
		value, err := e.dec.ReadValue()
		if err != nil {
			return errNotJSON
		}
		if member != 0 {
			e.take(member, value)
		}
	}
	if _, err := e.dec.ReadToken(); err != nil {
		return errNotJSON
	}
	if _, err := e.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errNotJSON
	}
	return nil
}

// member is a known name in an envelope, as a bit.
type member uint

const (
	messageID member = 1 << iota
	payload
	properties
	publishTime
	eventTime
	key
	redeliveryCount
	encryptionContext
	messageType
	endOfTopic
)

// memberOf returns the member of a quoted name; 0 when it has no meaning here.
func memberOf(name jsontext.Value) member {
	bare := name[1 : len(name)-1]
	if bytes.IndexByte(bare, '\\') >= 0 {
		// The same name in another spelling, which others would read as well.
		s, _ := text(name)
		bare = jsontext.Value(s)
	}
	switch string(bare) {
	case "messageId":
		return messageID
	case "payload":
		return payload
	case "properties":
		return properties
	case "publishTime":
		return publishTime
	case "eventTime":
		return eventTime
	case "key":
		return key
	case "redeliveryCount":
		return redeliveryCount
	case "encryptionContext":
		return encryptionContext
	case "type":
		return messageType
	case "endOfTopic":
		return endOfTopic
	}
	return 0
}

// take keeps the value of a member. The service leaves out what is null.
func (e *envelope) take(m member, v jsontext.Value) {
	if e.seen&uint(m) != 0 {
		// Who reads the first of two must not settle what another one, that
		// reads the last, has handled.
		e.wrong("a member is there more than once")
		if m == messageID {
			e.id = ""
		}
		return
	}
	e.seen |= uint(m)
	if v.Kind() == 'n' {
		return
	}
	var ok = true
	switch m {
	case messageID:
		if id, is := text(v); !is || !validID(id) {
			e.wrong("messageId is no base64 text")
		} else {
			e.id = id
		}
	case payload:
		e.payload = v
	case properties:
		ok = false // no object, or scan had read it
	case publishTime:
		e.published = moment(v)
	case eventTime:
		e.happened = moment(v)
	case key:
		e.key, ok = text(v)
	case redeliveryCount:
		// What is no number that makes sense is no reason to refuse the message.
		if n, err := strconv.ParseInt(string(v), 10, 32); err == nil && n > 0 {
			e.redelivery = int(n)
		}
	case encryptionContext:
		e.encryption = v
	case messageType:
		// Of the 8x8 examples, which call it a control message.
		kind, is := text(v)
		e.control = e.control || !is || kind != ""
	case endOfTopic:
		e.control = true
	}
	if !ok {
		e.wrong(notText)
	}
}

const notText = "properties or key are not text"

func (e *envelope) wrong(reason string) {
	if e.fault == nil {
		e.fault = errors.New(reason)
	}
}

// isMessage tells whether the envelope is meant to be a message of the topic.
func (e *envelope) isMessage() bool {
	return !e.control && e.seen&uint(messageID|payload) != 0
}

var strict = base64.StdEncoding.Strict()

// body decodes the payload. An empty one is nil.
func (e *envelope) body() ([]byte, error) {
	switch {
	case e.fault != nil:
		return nil, e.fault
	case len(e.payload) == 0:
		return nil, errors.New("payload is missing or null")
	case e.payload.Kind() != '"':
		return nil, errors.New("payload is no text")
	}
	raw := []byte(e.payload[1 : len(e.payload)-1])
	if bytes.IndexByte(raw, '\\') >= 0 {
		s, _ := text(e.payload)
		raw = []byte(s)
	}
	if len(raw) == 0 {
		return nil, nil
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(raw)))
	// Strictly: of two texts for the same bytes the service sends one.
	n, err := strict.Decode(out, raw)
	if err != nil {
		return nil, fmt.Errorf("payload is not base64: %w", err)
	}
	if strict.EncodedLen(n) != len(raw) { // the decoder passes over them
		return nil, errors.New("payload is not base64: it has line breaks")
	}
	return out[:n], nil
}

// validID tells whether the service takes id back: anything else ends the
// connection.
func validID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c == '"' || c == '\\' || c >= 0x7f {
			return false
		}
	}
	var buf [64]byte
	_, err := base64.StdEncoding.AppendDecode(buf[:0], []byte(id))
	return err == nil
}

// text returns a text, unless it is not one in UTF-8: what a decoder would put
// in the place of the rest makes two different texts the same.
func text(v jsontext.Value) (string, bool) {
	if v.Kind() != '"' {
		return "", false
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : len(v)-1]), utf8.Valid(v)
	}
	s, err := jsontext.AppendUnquote(nil, v)
	return string(s), err == nil
}

// texts reads the properties. Where a producer in another language has put a
// number or a boolean, it is that value's JSON.
func (e *envelope) texts() error {
	e.seen |= uint(properties)
	if _, err := e.dec.ReadToken(); err != nil {
		return err
	}
	for e.dec.PeekKind() == '"' {
		v, err := e.dec.ReadValue()
		if err != nil {
			return err
		}
		name, ok := e.name(v)
		if v, err = e.dec.ReadValue(); err != nil {
			return err
		}
		value, is := text(v)
		switch {
		case !ok, !is && v.Kind() == '"':
			e.wrong(notText)
			continue
		case v.Kind() == 'n':
			continue
		case !is:
			value = string(v)
		}
		if e.properties == nil {
			e.properties = make(map[string]string)
		}
		e.properties[name] = value
	}
	_, err := e.dec.ReadToken()
	return err
}

const (
	// maxNames is how many names of properties are remembered by a session,
	// and maxName how long they may be. Others cost an allocation each time.
	maxNames = 256
	maxName  = 256
)

// name returns the name of a property. Producers use few, so they are shared.
func (e *envelope) name(v jsontext.Value) (string, bool) {
	if s, ok := e.names[string(v)]; ok {
		return s, true
	}
	s, ok := text(v)
	if ok && len(v) <= maxName && len(e.names) < maxNames {
		if e.names == nil {
			e.names = make(map[string]string)
		}
		e.names[string(v)] = s
	}
	return s, ok
}

// oldTime is how Pulsar's documentation still shows times, in no time zone: it
// is taken for UTC.
const oldTime = time.DateTime

// moment reads a time as the service writes it: ISO 8601 with the offset of
// its own time zone and up to nine digits of a second's fraction. What cannot
// be read is zero: a time is no reason to refuse a message.
func moment(v jsontext.Value) time.Time {
	if v.Kind() != '"' {
		return time.Time{}
	}
	var t time.Time
	if t.UnmarshalText(v[1:len(v)-1]) == nil { // almost always, and it costs no string
		return t
	}
	s, ok := text(v)
	if !ok {
		return time.Time{}
	}
	for _, layout := range [...]string{time.RFC3339Nano, oldTime} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	return time.Time{}
}

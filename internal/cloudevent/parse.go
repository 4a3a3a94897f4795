package cloudevent

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/eventdelivery/eds-go/eds"
)

// Parse reads a CloudEvent in JSON, Append's or anybody else's. The Event
// keeps no part of line. Extensions become Attributes, numbers and booleans
// among them as text. Errors name members, never their values.
func Parse(line []byte) (eds.Event, error) {
	p := parser{seen: make(map[string]string, 12)}
	if err := p.members(line); err != nil {
		return eds.Event{}, fmt.Errorf("cloudevent: %w", err)
	}
	e, err := p.event()
	if err != nil {
		return eds.Event{}, fmt.Errorf("cloudevent: %w", err)
	}
	return e, nil
}

// parser collects the members of the object before it makes sense of them,
// since they may come in any order.
type parser struct {
	seen    map[string]string
	data    []byte // nil for absent or null
	hasData bool
	base64  bool
}

func (p *parser) members(line []byte) error {
	if !utf8.Valid(line) {
		return errors.New("not valid UTF-8")
	}
	dec := jsontext.NewDecoder(bytes.NewReader(line), verbatim)
	if dec.PeekKind() != '{' {
		if _, err := dec.ReadValue(); err != nil {
			return notJSON(dec, err)
		}
		return errors.New("not a JSON object")
	}
	if _, err := dec.ReadToken(); err != nil {
		return notJSON(dec, err)
	}
	for dec.PeekKind() != '}' {
		token, err := dec.ReadToken()
		if err != nil {
			return notJSON(dec, err)
		}
		name := token.String()
		value, err := dec.ReadValue()
		if err != nil {
			return notJSON(dec, err)
		}
		if err := p.member(name, value); err != nil {
			return err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return notJSON(dec, err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("more than one JSON value (offset %d)", dec.InputOffset())
	}
	return nil
}

func notJSON(dec *jsontext.Decoder, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("not valid JSON: ends early (offset %d): %w", dec.InputOffset(), io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("not valid JSON (after offset %d)", dec.InputOffset())
}

func (p *parser) member(name string, value jsontext.Value) error {
	if name == "data" || name == "data_base64" {
		if value.Kind() == 'n' {
			return nil
		}
		if p.hasData {
			return errors.New(`"data" or "data_base64" occurs twice`)
		}
		p.hasData = true
		if name == "data" {
			p.data = bytes.Clone(value)
			return nil
		}
		return p.decode(value)
	}
	if _, twice := p.seen[name]; twice {
		return fmt.Errorf("%s occurs twice", quote(name))
	}
	switch value.Kind() {
	case 'n':
		return nil
	case '"':
		text, err := jsontext.AppendUnquote(nil, value)
		if err != nil {
			return fmt.Errorf("%s is not a valid string", quote(name))
		}
		p.seen[name] = string(text)
	case '0', 't', 'f':
		p.seen[name] = value.String()
	default:
		return fmt.Errorf("%s is neither text, number nor boolean", quote(name))
	}
	return nil
}

func (p *parser) decode(value jsontext.Value) error {
	text, err := jsontext.AppendUnquote(nil, value)
	if err == nil {
		p.base64 = true
		p.data, err = base64.StdEncoding.AppendDecode(nil, text)
	}
	if err != nil {
		return errors.New(`"data_base64" is not Base64 text`)
	}
	return nil
}

func (p *parser) event() (eds.Event, error) {
	if version, ok := p.seen["specversion"]; !ok {
		return eds.Event{}, errors.New(`"specversion" is missing`)
	} else if version != "1.0" {
		return eds.Event{}, fmt.Errorf("specversion is %s, not 1.0", quote(version))
	}
	for _, name := range []string{"id", "source", "type"} {
		if p.seen[name] == "" {
			return eds.Event{}, fmt.Errorf("%q is missing or empty", name)
		}
	}
	for name := range strings.FieldsSeq(p.seen[escapedName]) {
		value, ok := p.seen[name]
		if !ok {
			continue
		}
		if value, ok = unescape(value, '%'); !ok {
			return eds.Event{}, fmt.Errorf("%s is not percent-encoded as %s says", quote(name), escapedName)
		}
		p.seen[name] = value
	}
	for name := range strings.FieldsSeq(p.seen[missingName]) {
		p.seen[name] = ""
	}
	e := eds.Event{
		ID: p.seen["id"], Source: p.seen["source"], Type: p.seen["type"], Queue: p.seen[queueName],
		Payload: p.data,
	}
	if len(e.Payload) == 0 {
		e.Payload = nil
	}
	if text, ok := p.seen["time"]; ok {
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return eds.Event{}, errors.New(`"time" is not an RFC 3339 timestamp`)
		}
		e.Time = t
	}
	if text, ok := p.seen[attemptName]; ok {
		n, err := strconv.Atoi(text)
		if err != nil {
			return eds.Event{}, fmt.Errorf("%q is not an integer", attemptName)
		}
		e.Attempt = n
	}
	return e, p.attributes(&e)
}

// attributes takes what is left as the event's Attributes.
func (p *parser) attributes(e *eds.Event) error {
	usual := JSON
	if p.base64 {
		usual = Binary
	}
	for name, value := range p.seen {
		switch name {
		case "specversion", "id", "source", "type", "time", queueName, attemptName, missingName, escapedName:
			continue
		case "datacontenttype":
			if value == usual {
				continue
			}
		}
		if strings.HasPrefix(name, namePrefix) {
			plain, ok := unescapeName(name)
			if !ok {
				return fmt.Errorf("%s is no escaped attribute name", quote(name))
			}
			name = plain
		}
		if _, twice := e.Attributes[name]; twice {
			return fmt.Errorf("%s occurs twice, once escaped", quote(name))
		}
		if e.Attributes == nil {
			e.Attributes = make(map[string]string)
		}
		e.Attributes[name] = value
	}
	return nil
}

// quote makes a name or version from outside fit for a message.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strconv.Quote(s)
}

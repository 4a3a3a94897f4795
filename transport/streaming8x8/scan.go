package streaming8x8

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/eventdelivery/eds-go/internal/vcc"
)

var errNoObject = errors.New("streaming8x8: the payload is not a JSON object")

// scanner reads a payload in one pass.
type scanner struct {
	dec     jsontext.Decoder
	in      bytes.Buffer
	payload []byte
	text    []byte // where the strings of an event are put together
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

// lenient lets a body pass that a typed handler will refuse: the dead letter
// then has its type and identity. Of a member that occurs twice the last
// counts.
var lenient = [...]jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// scan notes in b what payload says. Its error quotes nothing of it.
func (s *scanner) scan(payload []byte, b *body) error {
	s.payload, s.in = payload, *bytes.NewBuffer(payload)
	s.dec.Reset(&s.in, lenient[:]...)
	if s.dec.PeekKind() != '{' || s.body(b) != nil {
		return errNoObject
	}
	if _, err := s.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errNoObject // something follows
	}
	return nil
}

// body reads the outermost object. A known family wraps the fields wherever it
// stands; another object does when it is the only member, which shows only
// once it was read.
func (s *scanner) body(b *body) error {
	var inner members
	var name value
	count, isObject := 0, false
	err := s.object(func(n value) error {
		count++
		name, isObject = n, s.dec.PeekKind() == '{'
		into := &inner
		switch {
		case vcc.IsFamily(n.text()):
			b.family = n
			b.wrapped = members{}
			into = &b.wrapped
		case string(n.text()) == "data":
			into = &b.data
		case !isObject || count > 1 || string(n.text()) == "msgInfo":
			return s.note(&b.members, n)
		}
		if !isObject {
			return s.keep(nil) // "" stands for an empty object
		}
		return s.object(func(n value) error { return s.note(into, n) })
	})
	switch {
	case err != nil:
		return err
	case b.family != nil:
		b.members = b.wrapped
	case count == 1 && isObject:
		b.family, b.members = name, inner
		if string(name.text()) == "data" {
			b.members = b.data
		}
	}
	return nil
}

// object reads an object and calls member behind each name, which must read
// the value.
func (s *scanner) object(member func(name value) error) error {
	if _, err := s.dec.ReadToken(); err != nil {
		return err
	}
	for s.dec.PeekKind() != '}' {
		name, err := s.value()
		if err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := s.dec.ReadToken()
	return err
}

// note reads the value of the member called name, and keeps it in m when it
// means something.
func (s *scanner) note(m *members, name value) error {
	if string(name.text()) == "msgInfo" && s.dec.PeekKind() == '{' {
		return s.object(func(n value) error { return s.keep(m.ofInfo(n)) })
	}
	return s.keep(m.member(name))
}

func (s *scanner) keep(at *value) error {
	v, err := s.value()
	if err == nil && at != nil {
		*at = v
	}
	return err
}

// value reads a value, and returns it as a part of the payload: what the
// decoder returns is good until its next step alone.
func (s *scanner) value() (value, error) {
	v, err := s.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	end := int(s.dec.InputOffset())
	return s.payload[end-len(v) : end], nil
}

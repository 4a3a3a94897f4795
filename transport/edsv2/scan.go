package edsv2

import (
	"errors"
	"unicode/utf8"
)

var errSyntax = errors.New("not a JSON object")

// maxDepth is how deep a frame may nest. Nothing that a service means is
// nested deeper.
const maxDepth = 64

// scanner reads a frame in one pass. It accepts what RFC 8259 does, and notes
// on the way what this protocol wants besides.
type scanner struct {
	data  []byte
	pos   int
	high  uint64 // the bits of all bytes of all strings; see nonASCII
	frame *frame
}

// scan fills f with the known members of data and returns errSyntax when data
// is not one JSON object, or ends too early. What was found before that stays
// in f.
func (f *frame) scan(data []byte) error {
	*f = frame{}
	s := scanner{data: data, frame: f}
	if s.space() != '{' {
		return errSyntax
	}
	s.pos++
	if !s.object(1, envelope) {
		return errSyntax
	}
	if s.space(); s.pos != len(data) {
		return errSyntax
	}
	f.badUTF8 = s.nonASCII() && !utf8.Valid(data)
	return nil
}

func (s *scanner) nonASCII() bool { return s.high&0x8080808080808080 != 0 }

// space skips white space and returns the byte behind it; zero at the end.
func (s *scanner) space() byte {
	for i := s.pos; i < len(s.data); i++ {
		if c := s.data[i]; c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			s.pos = i
			return c
		}
	}
	s.pos = len(s.data)
	return 0
}

// level says which names mean something in an object.
type level uint8

const (
	foreign level = iota
	envelope
	payload
)

// object reads an object from behind its opening brace.
func (s *scanner) object(depth int, lv level) bool {
	if depth > maxDepth {
		return s.deep()
	}
	if s.space() == '}' {
		s.pos++
		return true
	}
	for {
		if s.space() != '"' {
			return false
		}
		s.pos++
		start := s.pos
		escaped, ok := s.text()
		if !ok {
			return false
		}
		var member *field
		if lv != foreign {
			member = s.frame.member(lv, s.data[start:s.pos-1], escaped)
		}
		if s.space() != ':' {
			return false
		}
		s.pos++
		c := s.space()
		start = s.pos
		if member == nil {
			if _, ok := s.value(c, depth); !ok {
				return false
			}
		} else if member == &s.frame.payload && c == '{' {
			s.pos++
			if !s.object(depth+1, payload) {
				return false
			}
			*member = field{raw: s.data[start:s.pos], kind: composite}
		} else {
			escaped, ok := s.value(c, depth)
			if !ok {
				return false
			}
			*member = fieldOf(s.data[start:s.pos], escaped)
		}
		switch s.space() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			return true
		default:
			return false
		}
	}
}

// array reads an array from behind its opening bracket.
func (s *scanner) array(depth int) bool {
	if depth > maxDepth {
		return s.deep()
	}
	c := s.space()
	if c == ']' {
		s.pos++
		return true
	}
	for {
		if _, ok := s.value(c, depth); !ok {
			return false
		}
		switch s.space() {
		case ',':
			s.pos++
			c = s.space()
		case ']':
			s.pos++
			return true
		default:
			return false
		}
	}
}

// value reads the value that begins with c, inside of depth objects and
// arrays. For a string it tells whether it has escapes.
func (s *scanner) value(c byte, depth int) (escaped, ok bool) {
	switch c {
	case '"':
		s.pos++
		return s.text()
	case '{':
		s.pos++
		return false, s.object(depth+1, foreign)
	case '[':
		s.pos++
		return false, s.array(depth + 1)
	case 't':
		return false, s.literal("true")
	case 'f':
		return false, s.literal("false")
	case 'n':
		return false, s.literal("null")
	}
	return false, s.number()
}

// deep skips the rest of an object or array that is nested too deeply by
// counting brackets. The frame is unreadable anyway; what comes behind may
// still hold its receipt.
func (s *scanner) deep() bool {
	s.frame.tooDeep = true
	for open := 1; open > 0; {
		if s.pos == len(s.data) {
			return false
		}
		c := s.data[s.pos]
		s.pos++
		switch c {
		case '{', '[':
			open++
		case '}', ']':
			open--
		case '"':
			if _, ok := s.text(); !ok {
				return false
			}
		}
	}
	return true
}

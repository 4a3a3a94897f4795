package edsv2

import (
	"encoding/binary"
	"errors"
	"math/bits"
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

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// text reads a string from behind its opening quote.
func (s *scanner) text() (escaped, ok bool) {
	data, i, high := s.data, s.pos, s.high
	for {
		// Eight bytes at a time up to a quote, a backslash or a control
		// character. Each term has the highest bit of a byte set that is one;
		// above the first such byte a term may be wrong, which does not matter.
		for i+8 <= len(data) {
			x := binary.LittleEndian.Uint64(data[i:])
			high |= x
			quote, slash := x^ones*'"', x^ones*'\\'
			hit := (quote - ones) &^ quote
			hit |= (slash - ones) &^ slash
			hit |= (x - ones*' ') &^ x
			if hit &= highs; hit != 0 {
				i += bits.TrailingZeros64(hit) / 8
				break
			}
			i += 8
		}
		if i >= len(data) {
			return escaped, false
		}
		c := data[i]
		i++
		switch {
		case c == '"':
			s.pos, s.high = i, high
			return escaped, true
		case c == '\\':
			escaped = true
			if i >= len(data) {
				return escaped, false
			}
			c := data[i]
			i++
			switch c {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if len(data)-i < 4 {
					return escaped, false
				}
				if _, ok := hex4(data[i:]); !ok {
					return escaped, false
				}
				i += 4
			default:
				return escaped, false
			}
		case c < ' ':
			return escaped, false
		default:
			high |= uint64(c)
		}
	}
}

func (s *scanner) literal(word string) bool {
	end := s.pos + len(word)
	if end > len(s.data) || string(s.data[s.pos:end]) != word {
		return false
	}
	s.pos = end
	return true
}

func (s *scanner) number() bool {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		return false
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return false
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		return s.digits()
	}
	return true
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && s.data[s.pos]-'0' <= 9 {
		s.pos++
	}
	return s.pos > start
}

func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func hex4(b []byte) (r rune, ok bool) {
	for _, c := range b[:4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

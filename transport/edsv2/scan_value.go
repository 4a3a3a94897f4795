package edsv2

import (
	"encoding/binary"
	"math/bits"
)

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

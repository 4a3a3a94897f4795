package cloudevent

import (
	"strings"
	"unicode/utf8"
)

const (
	namePrefix = "edsattr"
	lowerHex   = "0123456789abcdef"
	upperHex   = "0123456789ABCDEF"
)

func lowerAlnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

// escapeName makes an extension name of any string; unescapeName is its inverse.
func escapeName(name string) string {
	out := make([]byte, 0, len(namePrefix)+3*len(name))
	out = append(out, namePrefix...)
	for i := range len(name) {
		if c := name[i]; lowerAlnum(c) && c != 'z' {
			out = append(out, c)
		} else {
			out = append(out, 'z', lowerHex[c>>4], lowerHex[c&15])
		}
	}
	return string(out)
}

func unescapeName(name string) (string, bool) {
	name, ok := strings.CutPrefix(name, namePrefix)
	if !ok {
		return "", false
	}
	return unescape(name, 'z')
}

// clean reports whether s may stand in an attribute: no control characters,
// no invalid UTF-8, no noncharacters (CloudEvents 1.0, section 2.2.2).
func clean(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f {
			return c != 0x7f && c >= ' ' && cleanRunes(s[i:])
		}
	}
	return true
}

func cleanRunes(s string) bool {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || notAllowed(r) {
			return false
		}
		i += size
	}
	return true
}

func notAllowed(r rune) bool {
	return r < ' ' || 0x7f <= r && r <= 0x9f || 0xfdd0 <= r && r <= 0xfdef || r&0xfffe == 0xfffe
}

// percentEncode replaces what is not allowed in an attribute, and the percent
// sign, by percent signs and hexadecimal digits.
func percentEncode(s string) string {
	out := make([]byte, 0, len(s)+8)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == '%' || r == utf8.RuneError && size == 1 || notAllowed(r) {
			for _, c := range []byte(s[i : i+size]) {
				out = append(out, '%', upperHex[c>>4], upperHex[c&15])
			}
		} else {
			out = append(out, s[i:i+size]...)
		}
		i += size
	}
	return string(out)
}

// unescape undoes percentEncode and escapeName: mark and two hexadecimal
// digits stand for a byte.
func unescape(s string, mark byte) (string, bool) {
	if strings.IndexByte(s, mark) < 0 {
		return s, true
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != mark {
			out = append(out, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		hi, lo := unhex(s[i+1]), unhex(s[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		out = append(out, byte(hi<<4|lo))
		i += 2
	}
	return string(out), true
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

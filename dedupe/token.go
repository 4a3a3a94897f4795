package dedupe

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
)

// Token is 128 bits that identify an owner.
type Token [16]byte

// NewToken returns a random token.
func NewToken() Token {
	var t Token
	rand.Read(t[:]) // never fails, see crypto/rand
	return t
}

// TokenFor returns the token of the run with this number under a prefix that
// must be random and belong to one source of run numbers alone.
func TokenFor(prefix [8]byte, run uint64) Token {
	var t Token
	copy(t[:8], prefix[:])
	binary.BigEndian.PutUint64(t[8:], run)
	return t
}

// AppendText appends the token in 32 hexadecimal digits.
func (t Token) AppendText(b []byte) ([]byte, error) { return hex.AppendEncode(b, t[:]), nil }

func (t Token) String() string { return hex.EncodeToString(t[:]) }

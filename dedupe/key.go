package dedupe

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
)

// maxKey is the longest key that is kept in clear. A longer one is hashed,
// so that a store's memory per event is bounded whatever the service sends.
const maxKey = 200

// Key returns the key of an event. No two different quadruples have the same
// one: the parts are length-prefixed, and what would be longer than 200 bytes
// is replaced by its SHA-256 hash under another prefix.
//
// Group tells apart those who handle the same events independently of each
// other, such as two applications that share a store; it may be empty. Source
// and queue keep two services that use the same ids apart.
func Key(group, source, queue, id string) string {
	var room [maxKey + 64]byte
	b := append(room[:0], "1/"...) // the version of this format
	for _, part := range [...]string{group, source, queue, id} {
		b = strconv.AppendInt(b, int64(len(part)), 10)
		b = append(b, ':')
		b = append(b, part...)
	}
	if len(b) <= maxKey {
		return string(b)
	}
	sum := sha256.Sum256(b)
	return "1#" + base64.RawURLEncoding.EncodeToString(sum[:])
}

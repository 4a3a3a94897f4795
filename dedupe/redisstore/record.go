package redisstore

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/eventdelivery/eds-go/dedupe"
)

// record is what a value says.
type record struct {
	state     dedupe.State
	result    dedupe.Result
	token     string // 32 hexadecimal digits, of a record in progress
	attempt   int
	abandoned int
	keep      time.Duration
	payload   uint64
}

// appendClaim appends the value of a first claim.
func appendClaim(b []byte, h dedupe.Hold, keep time.Duration) []byte {
	b = append(b, "1P:"...)
	b, _ = h.Token.AppendText(b)
	b = append(b, ":1:0:"...)
	b = strconv.AppendInt(b, keep.Milliseconds(), 10)
	b = append(b, ':')
	return appendPayload(b, h.Payload)
}

// appendDone appends the value of a commit.
func appendDone(b []byte, h dedupe.Hold, r dedupe.Result) []byte {
	b = append(b, "1D:"...)
	b = strconv.AppendUint(b, uint64(r), 10)
	b = append(b, ':')
	return appendPayload(b, h.Payload)
}

func appendPayload(b []byte, payload uint64) []byte {
	if payload == 0 {
		return b
	}
	return strconv.AppendUint(b, payload, 16)
}

// parse reads a value. It accepts nothing that this package does not write.
func parse(key, v string) (record, error) {
	bad := &RecordError{Key: key, Value: v}
	if len(v) < 3 || v[0] != '1' || v[2] != ':' {
		return record{}, bad
	}
	var r record
	var room [5]string
	f := room[:0]
	for rest, more := v[3:], true; more; {
		var field string
		field, rest, more = strings.Cut(rest, ":")
		if len(f) == cap(f) {
			return record{}, bad
		}
		f = append(f, field)
	}
	ok := true
	switch {
	case v[1] == 'P' && len(f) == 5 && isToken(f[0]):
		r.state = dedupe.InProgress
		r.token = f[0]
		r.attempt = number(f[1], &ok)
		r.abandoned = number(f[2], &ok)
		r.keep = time.Duration(number(f[3], &ok)) * time.Millisecond
		r.payload = hash(f[4], &ok)
		ok = ok && r.attempt > 0
	case v[1] == 'F' && len(f) == 3:
		r.state = dedupe.Free
		r.attempt = number(f[0], &ok)
		r.abandoned = number(f[1], &ok)
		r.payload = hash(f[2], &ok)
		ok = ok && r.attempt > 0
	case v[1] == 'D' && len(f) == 2:
		r.state = dedupe.Finished
		n := number(f[0], &ok)
		r.result = dedupe.Result(n)
		r.payload = hash(f[1], &ok)
		ok = ok && n <= 255
	default:
		ok = false
	}
	if !ok {
		return record{}, bad
	}
	return r, nil
}

// number reads what strconv.AppendInt writes for a count: digits, no sign.
func number(s string, ok *bool) int {
	n, err := strconv.ParseUint(s, 10, 53) // what a Lua number holds exactly
	if err != nil || (len(s) > 1 && s[0] == '0') {
		*ok = false
	}
	return int(n)
}

func hash(s string, ok *bool) uint64 {
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 16, 64)
	if err != nil || s[0] == '0' || !isHex(s) {
		*ok = false
	}
	return n
}

func isToken(s string) bool { return len(s) == 32 && isHex(s) }

// isHex tells whether s is in the digits that we write.
func isHex(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// RecordError says that the value of a key is not a record of this version:
// written by a newer release, or by something else. Test for it with
// errors.As. It wraps dedupe.ErrUnavailable, since nothing is known of the
// event.
type RecordError struct {
	// Key is the Redis key.
	Key string
	// Value is what was found there; empty when it is not a string.
	Value string
}

func (e *RecordError) Error() string {
	v := e.Value
	if len(v) > 32 {
		v = v[:32] + "…"
	}
	return fmt.Sprintf("redisstore: no dedupe record at key %q: %q", e.Key, v)
}

func (e *RecordError) Unwrap() error { return dedupe.ErrUnavailable }

// foreign tells whether err is about one key, which no repetition mends.
func foreign(err error) bool {
	_, ok := errors.AsType[*RecordError](err)
	return ok
}

package eightbyeight

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/eventdelivery/eds-go/internal/vcc"
)

var (
	// ErrAbsent says that a field was missing, null or empty.
	ErrAbsent = errors.New("eightbyeight: there is no value")

	// ErrNotNumber says that a field holds something else than a whole number
	// of at most 64 bits.
	ErrNotNumber = errors.New("eightbyeight: not a whole number")
)

// Text is a text that may come as a number or a boolean when it looks like
// one. It is what came, without quotes; "" when nothing or null did.
type Text string

// Number is a number that may come in quotes, or as something else altogether,
// such as "N/A". Equal numbers are equal strings as long as they are written
// alike, so that constants can be compared with ==.
type Number string

// Bool is a yes or no in one of the forms that 8x8 has for it.
type Bool string

// Seconds is a moment in seconds since 1970, UTC, cut down to a whole second.
type Seconds string

// Millis is a moment in milliseconds since 1970, UTC.
type Millis string

// Nanos is a moment in nanoseconds since 1970, UTC.
type Nanos string

// Elapsed is a duration as HH:MM:SS.
type Elapsed string

// Int64 returns the number. Its error is ErrAbsent or ErrNotNumber.
func (n Number) Int64() (int64, error) {
	if n == "" {
		return 0, ErrAbsent
	}
	v, ok := vcc.Whole(string(n))
	if !ok {
		return 0, ErrNotNumber
	}
	return v, nil
}

// Valid tells whether Int64 returns a number.
func (n Number) Valid() bool {
	_, err := n.Int64()
	return err == nil
}

// True tells whether b says yes. It is false also when b says nothing.
func (b Bool) True() bool {
	yes, _ := b.Value()
	return yes
}

// Valid tells whether b says yes or no.
func (b Bool) Valid() bool {
	_, ok := b.Value()
	return ok
}

// Value returns what b says: true, yes and 1, or false, no and 0, in whatever
// case. ok is false when it says something else, or nothing.
func (b Bool) Value() (yes, ok bool) {
	switch strings.ToLower(strings.TrimSpace(string(b))) {
	case "true", "yes", "1":
		return true, true
	case "false", "no", "0":
		return false, true
	}
	return false, false
}

// Time returns the moment; the zero time when it is missing, zero, or cannot
// be read.
func (s Seconds) Time() time.Time { return vcc.Seconds(string(s)) }

// Valid tells whether Time returns a moment.
func (s Seconds) Valid() bool { return !s.Time().IsZero() }

// Time returns the moment; the zero time when it is missing, zero, or cannot
// be read.
func (m Millis) Time() time.Time { return vcc.Millis(string(m)) }

// Valid tells whether Time returns a moment.
func (m Millis) Valid() bool { return !m.Time().IsZero() }

// Time returns the moment; the zero time when it is missing, zero, or cannot
// be read.
func (n Nanos) Time() time.Time { return vcc.Nanos(string(n)) }

// Valid tells whether Time returns a moment.
func (n Nanos) Valid() bool { return !n.Time().IsZero() }

// Duration returns how long it took; ok is false when that cannot be read. It
// can be a second more than it was, since 8x8 cuts both ends down to seconds.
func (e Elapsed) Duration() (d time.Duration, ok bool) {
	parts := strings.Split(strings.TrimSpace(string(e)), ":")
	if len(parts) != 3 {
		return 0, false
	}
	limits := [...]uint64{maxHours, 59, 59}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil || n > limits[i] {
			return 0, false
		}
		d = d*60 + time.Duration(n)*time.Second
	}
	return d, true
}

// Valid tells whether Duration returns one.
func (e Elapsed) Valid() bool {
	_, ok := e.Duration()
	return ok
}

// maxHours keeps a duration within what time.Duration holds.
const maxHours = 1_000_000

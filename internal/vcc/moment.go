package vcc

import (
	"strconv"
	"strings"
	"time"
)

// lastSecond is the end of the year 9999, behind which a time has no RFC 3339
// form. A count of milliseconds in the place of seconds is far beyond it.
const lastSecond = 253402300799

// Seconds reads text as seconds since 1970. Missing, zero, negative and
// unreadable values are the zero time, never 1970.
func Seconds(text string) time.Time { return moment(text, time.Second) }

// Millis is Seconds for milliseconds.
func Millis(text string) time.Time { return moment(text, time.Millisecond) }

// Nanos is Seconds for nanoseconds.
func Nanos(text string) time.Time { return moment(text, time.Nanosecond) }

func moment(text string, unit time.Duration) time.Time {
	n, ok := Whole(text)
	perSecond := int64(time.Second / unit)
	if !ok || n <= 0 || n/perSecond > lastSecond {
		return time.Time{}
	}
	return time.Unix(n/perSecond, n%perSecond*int64(unit)).UTC()
}

// Whole reads text as a whole number. A fraction of zeros is none, such as
// that of 1744819217.0; white space around the number is passed over.
func Whole(text string) (int64, bool) {
	text = strings.TrimSpace(text)
	if whole, fraction, ok := strings.Cut(text, "."); ok && fraction != "" && strings.Trim(fraction, "0") == "" {
		text = whole
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}
